//! Outside services Connectus can connect to.

pub mod add_version;
pub mod capabilities;
pub mod categories;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod versions;
mod view;

use connectus_core::{
    Result,
    access::Permission::{ProvidersRead, ProvidersWrite},
};
use connectus_engine::providers::{self, Listed};

pub use view::ProviderView;

use crate::{
    app::App,
    http::{Access::Needs, Caller, Operation, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "providers.list" = list, Needs(ProvidersRead), aliases ["/integrations/providers"];
        "providers.create" = create, Needs(ProvidersWrite), aliases [];
        "providers.categories" = categories, Needs(ProvidersRead),
            aliases ["/integrations/providers/categories"];
        "providers.get" = get, Needs(ProvidersRead), aliases ["/integrations/providers/{id}"];
        "providers.capabilities" = capabilities, Needs(ProvidersRead),
            aliases ["/integrations/providers/{id}/capabilities"];
        "providers.delete" = delete, Needs(ProvidersWrite), aliases [];
        "providers.versions" = versions, Needs(ProvidersRead), aliases [];
        "providers.add_version" = add_version, Needs(ProvidersWrite), aliases [];
    }
}

/// The provider that a path names, among those its caller can use.
async fn named(app: &App, caller: &Caller, name: &str) -> Result<Listed> {
    let mut conn = app.store().read().await?;
    providers::get(&mut conn, &caller.ctx, name).await
}
