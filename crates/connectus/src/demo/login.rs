//! The sandbox tenant, its owner and key. Their secrets are invented at the first start and kept
//! beside the database, so that every later start can show them again. They open the sandbox only.

use std::{io::Write, path::Path};

use connectus_core::{Error, Result, TenantCtx, access::Role};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::TENANT_NAME;
use crate::{
    app::App,
    auth::{admin, people::NewUser, tenancy::NewTenant},
};

/// The owner's address.
const EMAIL: &str = "owner@sandbox.example.com";
/// Beside the database.
const FILE_NAME: &str = "sandbox-login.json";
/// Name of the API key.
const KEY_NAME: &str = "sandbox";

/// How to get into the sandbox.
#[derive(Clone, Deserialize, Serialize)]
pub struct Login {
    /// The tenant's identifier.
    pub tenant: String,
    /// The owner's address.
    pub email: String,
    /// The owner's password.
    pub password: String,
    /// An API key with the owner's role.
    pub token: String,
}

/// The login kept in the data directory while it is good, else a fresh one.
///
/// # Errors
/// What making a tenant, person or key answers.
pub async fn find_or_make(app: &App) -> Result<Login> {
    let file = app.readiness.data_dir().map(|dir| dir.join(FILE_NAME));
    if let Some(login) = file.as_deref().and_then(read)
        && is_good(app, &login).await
    {
        return Ok(login);
    }
    let login = make(app).await?;
    if let Some(file) = file {
        write(&file, &login)?;
    }
    Ok(login)
}

fn read(file: &Path) -> Option<Login> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

async fn is_good(app: &App, login: &Login) -> bool {
    let mut headers = axum::http::HeaderMap::new();
    let Ok(value) = format!("Bearer {}", login.token).parse() else { return false };
    headers.insert(axum::http::header::AUTHORIZATION, value);
    app.auth.verify(&axum::http::Method::GET, &headers).await.is_ok()
}

async fn make(app: &App) -> Result<Login> {
    let store = app.store();
    let tenants = store.read().await?.tenants().await?;
    let known = tenants.into_iter().find(|tenant| tenant.sandbox && tenant.name == TENANT_NAME);
    let tenant = match known {
        Some(tenant) => tenant,
        None => {
            let new =
                NewTenant { sandbox: true, plan: "pro".into(), ..NewTenant::named(TENANT_NAME) };
            admin::create_tenant(store, new).await?
        }
    };
    let tenant = tenant.id.to_string();
    let password = format!("sandbox-{}", hex::encode(app.env().random::<8>()));
    let ctx = admin::operator(store, &tenant).await?;
    give_password(app, ctx, password.clone().into()).await?;
    let (_, token) =
        admin::create_token(store, &tenant, Role::Owner, Some(EMAIL), KEY_NAME).await?;
    let token = token.expose_secret().to_owned();
    Ok(Login { tenant, email: EMAIL.to_owned(), password, token })
}

async fn give_password(app: &App, ctx: TenantCtx, password: SecretString) -> Result<()> {
    let known = app.store().read().await?.user_by_email(EMAIL).await?;
    let Some((_, user, _)) = known else {
        let new = NewUser {
            email: EMAIL.to_owned(),
            name: "Sandbox owner".to_owned(),
            password,
            role: Role::Owner,
            external_id: None,
        };
        return app.auth.create_user(ctx, new).await.map(drop);
    };
    let hash = app.auth.passwords().hash(password).await?;
    let work = app
        .store()
        .write(move |tx| Box::pin(async move { Ok(tx.set_password(&ctx, &user, &hash).await?) }));
    work.await
}

fn write(file: &Path, login: &Login) -> Result<()> {
    let text = serde_json::to_string_pretty(login).map_err(Error::internal)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut out| out.write_all(text.as_bytes()));
    written.map_err(Error::internal)
}
