//! Sealing and opening the secrets of integrations.

use connectus_connect::Secrets;
use connectus_core::{CredentialId, IntegrationId, Result, TenantCtx, Timestamp};
use connectus_store::{
    Conn, Tx,
    credentials::{CredentialState, NewCredential, SealedCredential},
    seal::{Place, Sealer},
};

/// What the audit log calls storing secrets that someone entered.
pub(super) const STORED: &str = "credential.stored";

/// Seals secrets for a place.
pub(super) async fn seal(
    tx: &mut Tx,
    ctx: &TenantCtx,
    sealer: &Sealer,
    place: Place<'_>,
    secrets: &Secrets,
) -> Result<String> {
    let key = tx.sealing_key(ctx, sealer).await?;
    sealer.seal(&key, ctx.tenant(), place, &secrets.to_json())
}

/// Opens what was sealed for a place.
pub(super) async fn open(
    conn: &mut Conn,
    ctx: &TenantCtx,
    sealer: &Sealer,
    place: Place<'_>,
    sealed: &str,
) -> Result<Secrets> {
    let key = conn.opening_key(ctx, sealer, sealed).await?;
    Secrets::from_json(&sealer.open(&key, ctx.tenant(), place, sealed)?)
}

/// Opens a stored credential.
pub(super) async fn open_credential(
    conn: &mut Conn,
    ctx: &TenantCtx,
    sealer: &Sealer,
    credential: &SealedCredential,
) -> Result<Secrets> {
    let place = SealedCredential::place(&credential.id);
    open(conn, ctx, sealer, place, &credential.sealed).await
}

/// What is stored beside the secrets of a credential.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub kind: String,
    pub state: CredentialState,
    pub origin: Option<String>,
    pub expires_at: Option<Timestamp>,
}

/// Stores a credential in place of the one there was.
pub(super) async fn put_credential(
    tx: &mut Tx,
    ctx: &TenantCtx,
    sealer: &Sealer,
    integration: &IntegrationId,
    secrets: &Secrets,
    about: About,
) -> Result<()> {
    let id: CredentialId = tx.env().id();
    let sealed = seal(tx, ctx, sealer, SealedCredential::place(&id), secrets).await?;
    let About { kind, state, origin, expires_at } = about;
    let fields = secrets.names().into_iter().map(str::to_owned).collect();
    let new = NewCredential { id, kind, state, sealed, fields, origin, expires_at };
    Ok(tx.put_credential(ctx, integration, &new).await?)
}
