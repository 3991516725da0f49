//! Signing in and out, and one's own account.

pub mod jwks;
pub mod login;
pub mod logout;
pub mod me;
pub mod password;
pub mod refresh;
pub mod setup;
mod view;

use connectus_core::access::Permission::{AccountRead, AccountWrite};

pub use view::{Credentials, Me};

use crate::http::{
    Access::{Needs, Public},
    Operation,
    operation::operations,
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "auth.setup" = setup, Public("whoever holds the one-time link has no account yet"),
            aliases ["/auth/setup"];
        "auth.login" = login, Public("it is how one gets a credential"), aliases ["/auth/login"];
        "auth.refresh" = refresh, Public("the refresh token in the body is the credential"),
            aliases ["/auth/refresh"];
        "auth.jwks" = jwks, Public("public keys are public");
        "auth.logout" = logout, Needs(AccountWrite), aliases ["/auth/logout"];
        "auth.me" = me, Needs(AccountRead), aliases ["/auth/me"];
        "auth.password" = password, Needs(AccountWrite), aliases ["/auth/password"];
    }
}
