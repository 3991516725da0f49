//! The provider packs that come with Connectus. One folder under `providers/`, one line here.

use std::sync::{Arc, OnceLock};

use connectus_core::{Error, Result};

use crate::Plan;

macro_rules! built_in {
    ($($name:literal,)*) => {
        /// Name and text of every pack that comes with Connectus.
        pub const BUILT_IN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../providers/", $name, "/provider.yaml"))),)*
        ];
    };
}

built_in! {
    "hubspot",
    "salesforce",
    "mailchimp",
    "slack",
    "google_ads",
    "facebook_ads",
    "zapier",
    "webhook",
    "sqlite",
    "postgres",
}

/// All built-in packs, compiled at the first call.
///
/// # Errors
/// `internal` when a pack does not compile, which a test of this crate excludes.
pub fn all() -> Result<&'static [Arc<Plan>]> {
    static PLANS: OnceLock<Result<Vec<Arc<Plan>>>> = OnceLock::new();
    let plans = PLANS
        .get_or_init(|| BUILT_IN.iter().map(|(_, yaml)| Plan::parse(yaml).map(Arc::new)).collect());
    plans.as_deref().map_err(Error::internal)
}

/// The built-in pack of this name.
///
/// # Errors
/// `not_found`.
pub fn find(name: &str) -> Result<Arc<Plan>> {
    let found = all()?.iter().find(|plan| plan.pack.provider.name == name);
    found.cloned().ok_or_else(|| Error::not_found("provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectus_core::provider::{AuthType, Category};
    use std::collections::BTreeSet;

    #[test]
    fn every_folder_is_listed_and_every_pack_compiles() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../providers");
        let folders: BTreeSet<String> = std::fs::read_dir(root)
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.') && !name.contains('.'))
            .collect();
        let listed: BTreeSet<String> = BUILT_IN.iter().map(|(name, _)| (*name).into()).collect();
        assert_eq!(folders, listed);
        for (name, yaml) in BUILT_IN {
            let plan = Plan::parse(yaml).unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.fields));
            assert_eq!(plan.pack.provider.name, *name);
        }
    }

    #[test]
    fn they_are_who_they_should_be() {
        let found: Vec<_> = all()
            .unwrap()
            .iter()
            .map(|plan| (plan.pack.provider.display_name.as_str(), plan.pack.provider.category))
            .collect();
        let expected = [
            ("HubSpot", Category::Crm),
            ("Salesforce", Category::Crm),
            ("Mailchimp", Category::EmailMarketing),
            ("Slack", Category::Communication),
            ("Google Ads", Category::Advertising),
            ("Facebook Ads", Category::Advertising),
            ("Zapier", Category::Automation),
            ("Webhook", Category::Automation),
            ("SQLite file", Category::Storage),
            ("PostgreSQL", Category::Storage),
        ];
        assert_eq!(found, expected);
        assert_eq!(find("zapier").unwrap().pack.provider.auth_type, AuthType::Webhook);
        assert!(find("nothing").is_err());
    }

    #[test]
    fn capabilities_say_what_is_there() {
        let hubspot = find("hubspot").unwrap().pack.capabilities();
        assert!(hubspot.delta_sync && hubspot.outbound_sync && hubspot.automatic_token_refresh);
        assert_eq!(hubspot.streams.len(), 3);
        let view = find("hubspot").unwrap().pack.view();
        assert!(view.webhook_support && view.webhook_events.contains(&"contact.creation".into()));
        let shown = serde_json::to_string(&view).unwrap();
        assert!(!shown.contains("client_id") && shown.contains("rate_limits"), "{shown}");
        let zapier = find("zapier").unwrap().pack.capabilities();
        assert!(!zapier.delta_sync && !zapier.connection_test && zapier.streams.is_empty());
    }

    #[test]
    fn unknown_words_and_broken_packs_name_their_place() {
        let (_, good) = BUILT_IN[3];
        for (from, to, expected) in [
            ("schema: 1", "schema: 2", "/schema"),
            ("category: communication", "category: chat", "category"),
            ("kind: keyed", "kind: maybe", "maybe"),
            ("check:", "chek:", "chek"),
            ("type: DpathExtractor", "type: CustomExtractor", "CustomExtractor"),
            ("{{ input.text }}", "{{ input.text | }}", "/actions/0/request/body/text"),
            ("hosts: [slack.com", "hosts: ['slack.com/x'", "/provider/hosts/0"),
            ("name: post_message", "name: send_webhook", "/actions"),
            ("base_url: https://slack.com", "base_url: http://slack.com", "/provider/base_url"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Plan::parse(&good.replacen(from, to, 1)).unwrap_err();
            let said = format!("{error} {:?}", error.fields);
            assert!(said.contains(expected), "{from} -> {to}: {said}");
        }
    }
}
