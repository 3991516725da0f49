//! People, and the tenant each belongs to.

use connectus_core::{
    Error, Page, TenantCtx, TenantId, Timestamp, UserId, access::Role, page::Listing,
};
use serde::Serialize;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    INSERT = "INSERT INTO users (tenant_id, id, email, name, password_hash, role, external_id, \
              created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    GET = "SELECT tenant_id, id, email, name, role, external_id, status, created_at, updated_at, \
           version FROM users WHERE tenant_id = $1 AND id = $2";
    PAGE = "SELECT tenant_id, id, email, name, role, external_id, status, created_at, updated_at, \
            version FROM users WHERE tenant_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3";
    COUNT = "SELECT COUNT(*) FROM users WHERE tenant_id = $1";
    COUNT_ALL = "SELECT COUNT(*) FROM users u JOIN tenants t ON t.id = u.tenant_id \
                 WHERE t.sandbox = FALSE";
    OWNERS = "SELECT COUNT(*) FROM users \
              WHERE tenant_id = $1 AND role = 'owner' AND status = 'active'";
    // These three serve the authentication layer, which learns the tenant from the person.
    BY_EMAIL = "SELECT tenant_id, id, password_hash FROM users WHERE email = $1";
    BY_ID_ANYWHERE = "SELECT tenant_id, id FROM users WHERE id = $1 LIMIT 2";
    BY_EXTERNAL_ID = "SELECT tenant_id, id FROM users WHERE external_id = $1 LIMIT 2";
    PASSWORD = "SELECT password_hash FROM users WHERE tenant_id = $1 AND id = $2";
    UPDATE = "UPDATE users SET name = $3, role = $4, status = $5, external_id = $6, \
              updated_at = $7, version = version + 1 \
              WHERE tenant_id = $1 AND id = $2 AND version = $8";
    SET_PASSWORD = "UPDATE users SET password_hash = $3, updated_at = $4, version = version + 1 \
                    WHERE tenant_id = $1 AND id = $2";
    DELETE = "DELETE FROM users WHERE tenant_id = $1 AND id = $2";
    LOCK_TENANT = "UPDATE tenants SET event_seq = event_seq WHERE id = $1";
    MEMBER = "SELECT u.tenant_id, u.id, u.email, u.name, u.role, u.external_id, u.status, \
              u.created_at, u.updated_at, u.version, t.plan, t.status AS tenant_status \
              FROM users u JOIN tenants t ON t.id = u.tenant_id \
              WHERE u.tenant_id = $1 AND u.id = $2";
}

/// A person.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// The tenant the person belongs to.
    #[serde(skip)]
    pub tenant: TenantId,
    /// The address to sign in with, lower case, unique in the installation.
    pub email: String,
    /// Display name.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// The number a partner service knows the person by.
    pub external_id: Option<i64>,
    /// `active` or `suspended`.
    pub status: String,
    /// When added.
    pub created_at: Timestamp,
    /// When last changed.
    pub updated_at: Timestamp,
    /// Counts changes, for `ETag`.
    #[serde(skip)]
    pub version: u64,
}

impl User {
    /// Whether the person may sign in.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// A person with the standing of the tenant: what authorisation needs in one read.
#[derive(Clone, Debug)]
pub struct Member {
    /// The person.
    pub user: User,
    /// The tenant's plan.
    pub plan: String,
    /// Whether the tenant is `active`.
    pub tenant_active: bool,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
    email: String,
    name: String,
    role: String,
    external_id: Option<i64>,
    status: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl TryFrom<Row> for User {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            // An unknown role must not become a weaker guess, nor a stronger one.
            role: row.role.parse().map_err(|()| Error::internal("a user has an unknown role"))?,
            id: UserId::trusted(row.id),
            tenant: TenantId::trusted(row.tenant_id),
            email: row.email,
            name: row.name,
            external_id: row.external_id,
            status: row.status,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            version: u64::try_from(row.version).unwrap_or_default(),
        })
    }
}

#[derive(FromRow)]
struct MemberRow {
    #[sqlx(flatten)]
    user: Row,
    plan: String,
    tenant_status: String,
}

impl Tx {
    /// Adds a person. `user.version`, `status` and times are set here.
    ///
    /// # Errors
    /// A unique violation when the address or the external id is taken.
    pub async fn insert_user(&mut self, user: &User, password_hash: &str) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(INSERT)
            .bind(user.tenant.as_str())
            .bind(user.id.as_str())
            .bind(&user.email)
            .bind(&user.name)
            .bind(password_hash)
            .bind(user.role.name())
            .bind(user.external_id)
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Changes name, role, status and external id of the version read; `false` when it moved on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update_user(&mut self, ctx: &TenantCtx, user: &User) -> StoreResult<bool> {
        let now = self.env.now().0;
        let changed = on!(self, c => sqlx::query(UPDATE)
            .bind(ctx.tenant().as_str())
            .bind(user.id.as_str())
            .bind(&user.name)
            .bind(user.role.name())
            .bind(&user.status)
            .bind(user.external_id)
            .bind(now)
            .bind(i64::try_from(user.version).unwrap_or(i64::MAX))
            .execute(c)
            .await?
            .rows_affected());
        Ok(changed > 0)
    }

    /// Replaces a password hash.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_password(
        &mut self,
        ctx: &TenantCtx,
        user: &UserId,
        hash: &str,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(SET_PASSWORD)
            .bind(ctx.tenant().as_str())
            .bind(user.as_str())
            .bind(hash)
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Removes a person with logins, tokens and keys.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_user(&mut self, ctx: &TenantCtx, user: &UserId) -> StoreResult<()> {
        on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(user.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Lets no other transaction change the tenant's people until this one ends.
    ///
    /// # Errors
    /// What the database says.
    pub async fn lock_tenant(&mut self, ctx: &TenantCtx) -> StoreResult<()> {
        on!(self, c => sqlx::query(LOCK_TENANT)
            .bind(ctx.tenant().as_str()).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A person of the tenant.
    ///
    /// # Errors
    /// What the database says.
    pub async fn user(&mut self, ctx: &TenantCtx, id: &UserId) -> StoreResult<Option<User>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(User::try_from).transpose()?)
    }

    /// The tenant's people, in the order they were added.
    ///
    /// # Errors
    /// What the database says.
    pub async fn users(&mut self, ctx: &TenantCtx, page: Page) -> StoreResult<Listing<User>> {
        let tenant = ctx.tenant().as_str();
        let (total,): (i64,) =
            on!(self, c => sqlx::query_as(COUNT).bind(tenant).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(PAGE)
            .bind(tenant)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(User::try_from).collect::<Result<_, _>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// How many owners of the tenant can sign in.
    ///
    /// # Errors
    /// What the database says.
    pub async fn active_owners(&mut self, ctx: &TenantCtx) -> StoreResult<i64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(OWNERS)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(count)
    }

    /// Whether the installation has anyone who could sign in. Sandbox tenants do not count: their
    /// owners are invented.
    ///
    /// # Errors
    /// What the database says.
    pub async fn has_users(&mut self) -> StoreResult<bool> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT_ALL).fetch_one(c).await?);
        Ok(count > 0)
    }

    /// Tenant, person and password hash of an address. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn user_by_email(
        &mut self,
        email: &str,
    ) -> StoreResult<Option<(TenantId, UserId, String)>> {
        let row: Option<(String, String, String)> =
            on!(self, c => sqlx::query_as(BY_EMAIL).bind(email).fetch_optional(c).await?);
        Ok(row.map(|(tenant, id, hash)| (TenantId::trusted(tenant), UserId::trusted(id), hash)))
    }

    /// Persons with this identifier, two at most. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn users_by_id(&mut self, id: &UserId) -> StoreResult<Vec<(TenantId, UserId)>> {
        let rows: Vec<(String, String)> =
            on!(self, c => sqlx::query_as(BY_ID_ANYWHERE).bind(id.as_str()).fetch_all(c).await?);
        Ok(rows.into_iter().map(named).collect())
    }

    /// Persons a partner knows by this number, two at most. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn users_by_external_id(
        &mut self,
        external: i64,
    ) -> StoreResult<Vec<(TenantId, UserId)>> {
        let rows: Vec<(String, String)> =
            on!(self, c => sqlx::query_as(BY_EXTERNAL_ID).bind(external).fetch_all(c).await?);
        Ok(rows.into_iter().map(named).collect())
    }

    /// The password hash of a person.
    ///
    /// # Errors
    /// `not_found` without such a person.
    pub async fn password_hash(&mut self, ctx: &TenantCtx, id: &UserId) -> StoreResult<String> {
        let (hash,): (String,) = on!(self, c => sqlx::query_as(PASSWORD)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_one(c).await?);
        Ok(hash)
    }

    /// A person with the tenant's standing. For the authentication layer only.
    ///
    /// # Errors
    /// What the database says.
    pub async fn member(&mut self, tenant: &TenantId, id: &UserId) -> StoreResult<Option<Member>> {
        let row: Option<MemberRow> = on!(self, c => sqlx::query_as(MEMBER)
            .bind(tenant.as_str()).bind(id.as_str()).fetch_optional(c).await?);
        let Some(MemberRow { user, plan, tenant_status }) = row else { return Ok(None) };
        Ok(Some(Member { user: user.try_into()?, plan, tenant_active: tenant_status == "active" }))
    }
}

fn named((tenant, id): (String, String)) -> (TenantId, UserId) {
    (TenantId::trusted(tenant), UserId::trusted(id))
}
