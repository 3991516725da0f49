//! A tenant with an API key for every role.

use std::collections::BTreeMap;

use connectus::auth::{
    admin,
    keys::{self, NewApiKey},
    people::NewUser,
    tenancy::NewTenant,
};
use connectus_core::{TenantCtx, TenantId, access::Role};
use connectus_store::users::User;
use secrecy::ExposeSecret;

use super::TestApp;

/// The password of every person in tests.
pub const PASSWORD: &str = "correct horse battery";

/// A tenant to call for.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its identifier.
    pub id: TenantId,
    /// The operator's context in it.
    pub ctx: TenantCtx,
    keys: BTreeMap<Role, String>,
}

impl Organisation {
    /// The bearer API key of a role.
    pub fn key(&self, role: Role) -> &str {
        &self.keys[&role]
    }

    /// The key of an owner.
    pub fn owner(&self) -> &str {
        self.key(Role::Owner)
    }
}

impl TestApp {
    /// Makes a tenant.
    pub async fn organisation(&self, name: &str) -> Organisation {
        let store = &self.db.store;
        let tenant = admin::create_tenant(store, NewTenant::named(name)).await.unwrap();
        let ctx = admin::operator(store, tenant.id.as_str()).await.unwrap();
        let mut made = BTreeMap::new();
        for role in Role::ALL {
            let (name, user, expires_at) = (role.name().to_owned(), None, None);
            let new = NewApiKey { name, role, user, expires_at };
            let (_, secret) = keys::create(store, ctx.clone(), new).await.unwrap();
            made.insert(role, secret.expose_secret().to_owned());
        }
        Organisation { id: tenant.id, ctx, keys: made }
    }

    /// Adds a person with [`PASSWORD`].
    pub async fn person(&self, of: &Organisation, email: &str, role: Role) -> User {
        let new = NewUser {
            email: email.to_owned(),
            name: String::new(),
            password: PASSWORD.into(),
            role,
            external_id: None,
        };
        self.app.auth.create_user(of.ctx.clone(), new).await.unwrap()
    }
}
