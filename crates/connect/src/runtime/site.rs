//! Where a provider lives for one integration, and which hosts may see its credential.

use connectus_core::{Code, Error, Result};
use serde_json::Value;
use url::Url;

use super::Settings;
use crate::{
    Access, Plan,
    http::{EgressPolicy, TargetHost},
};

/// Where a provider lives for one integration.
#[derive(Clone, Debug)]
pub struct Site {
    base: String,
    origin: String,
    /// Whether the integration's settings replace the pack's base URL.
    moved: bool,
    hosts: Vec<String>,
    /// The integration's settings over the pack's defaults, as templates see them.
    pub config: Value,
}

impl Site {
    /// Reads the settings of an integration.
    ///
    /// # Errors
    /// `invalid` for missing settings, `egress_denied` for a base URL that is not allowed.
    pub fn new(plan: &Plan, settings: &Settings, policy: &EgressPolicy) -> Result<Self> {
        Self::with_config(plan, settings, policy, plan.config(&settings.config)?)
    }

    /// The same for the token calls that come before settings are complete: some settings are
    /// known only from the token answer, so the base URL may still be the first host of the pack.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_tokens(plan: &Plan, settings: &Settings, policy: &EgressPolicy) -> Result<Self> {
        match plan.config(&settings.config) {
            Ok(config) => Self::with_config(plan, settings, policy, config),
            Err(_) if settings.base_url.is_some() => {
                Self::with_config(plan, settings, policy, Value::Null)
            }
            Err(error) => {
                let hosts = &plan.pack.provider.hosts;
                let host = hosts.iter().find(|host| !host.starts_with("*.")).ok_or(error)?;
                let first =
                    Settings { base_url: Some(format!("https://{host}")), ..settings.clone() };
                let site = Self::with_config(plan, &first, policy, Value::Null)?;
                Ok(Self { moved: false, ..site })
            }
        }
    }

    fn with_config(
        plan: &Plan,
        settings: &Settings,
        policy: &EgressPolicy,
        config: Value,
    ) -> Result<Self> {
        let moved = settings.base_url.is_some();
        let base = match &settings.base_url {
            Some(base) => base.clone(),
            None => plan
                .base_url
                .render_text(&[("config", &config)])?
                .ok_or_else(|| Error::invalid("settings", "do not say where the provider is"))?,
        };
        let target = policy.target(&base)?;
        if target.url.query().is_some() {
            return Err(Error::invalid("settings.base_url", "must not hold a query"));
        }
        let hosts = plan.pack.provider.hosts.clone();
        let origin = target.origin();
        let base = target.url.as_str().trim_end_matches('/').to_owned();
        let site = Self { base, origin, moved, hosts, config };
        if !moved && !site.is_provider_host(&target.url, &target.host) {
            let detail = "The settings lead to a host that is not the provider's.";
            return Err(Error::new(Code::EgressDenied, detail));
        }
        Ok(site)
    }

    /// Whether the settings say that the place takes whatever comes. Only a stand-in may: the
    /// provider's own limits are not the integration's to lift.
    pub fn is_unlimited(&self) -> bool {
        self.moved && self.config.get("rate_limits").and_then(Value::as_str) == Some("off")
    }

    /// `scheme://host[:port]` of the base URL.
    #[cfg(test)]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a path under the base URL. An absolute URL, as some providers give for the next
    /// page, must lead to a host that may see the credential.
    ///
    /// # Errors
    /// `egress_denied` when it does not.
    pub fn url(&self, path: &str, policy: &EgressPolicy) -> Result<Url> {
        let text = if path.starts_with("https://") || path.starts_with("http://") {
            path.to_owned()
        } else {
            format!("{}{}{path}", self.base, if path.starts_with('/') { "" } else { "/" })
        };
        let target = policy.target(&text)?;
        if target.origin() != self.origin
            && (self.moved || !self.is_provider_host(&target.url, &target.host))
        {
            let detail = "The address leads to a host that must not see this credential.";
            return Err(Error::new(Code::EgressDenied, detail));
        }
        Ok(target.url)
    }

    /// The URL of an address a pack names in full (OAuth). Where the settings move the base URL,
    /// everything moves with it, so that a stand-in stands in for all of the provider.
    ///
    /// # Errors
    /// As [`Self::url`].
    pub fn address(&self, address: &str, policy: &EgressPolicy) -> Result<Url> {
        if !self.moved || address.starts_with('/') {
            return self.url(address, policy);
        }
        let pack = Url::parse(address).map_err(Error::internal)?;
        self.url(pack.path(), policy)
    }

    /// Refuses a credential that was entered for another place.
    ///
    /// # Errors
    /// `egress_denied`, saying what to do.
    pub fn check_access(&self, access: &Access) -> Result<()> {
        let fits = match &access.origin {
            Some(origin) => origin.trim_end_matches('/') == self.origin,
            None => !self.moved,
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            Code::EgressDenied,
            "The credential was entered for another base URL. Enter it again for this one.",
        ))
    }

    fn is_provider_host(&self, url: &Url, host: &TargetHost) -> bool {
        let TargetHost::Name(name) = host else { return false };
        url.scheme() == "https"
            && url.port().is_none()
            && self.hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
                Some(domain) => name
                    .strip_suffix(domain)
                    .and_then(|label| label.strip_suffix('.'))
                    .is_some_and(|label| !label.is_empty()),
                None => **name == *allowed.as_str(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secrets, packs};
    use serde_json::json;

    fn site(pack: &str, settings: &Value) -> Result<Site> {
        let policy = EgressPolicy::allowing(["127.0.0.1:9000"]).unwrap();
        let plan = packs::find(pack).unwrap();
        Site::new(&plan, &Settings::from_json(settings).unwrap(), &policy)
    }

    #[test]
    fn settings_cannot_lead_a_credential_away() {
        assert!(site("mailchimp", &json!({"dc": "us6"})).is_ok());
        for dc in ["evil.com/", "evil.com#", "x.evil.com?", "us6@evil.com", "127.0.0.1:9000/", ""] {
            assert!(site("mailchimp", &json!({"dc": dc})).is_err(), "{dc}");
        }
        assert_eq!(site("mailchimp", &json!({})).unwrap_err().fields[0].field, "settings.dc");
    }

    #[test]
    fn the_next_page_may_not_lead_away_either() {
        let policy = EgressPolicy::allowing(["127.0.0.1:9000"]).unwrap();
        let own = site("hubspot", &json!({})).unwrap();
        assert!(own.url("https://api.hubapi.com/next", &policy).is_ok());
        for url in [
            "https://evil.example/next",
            "https://api.hubapi.com.evil.example/",
            "https://evilapi.hubapi.com/",
            "https://api.hubapi.com:444/",
            "http://api.hubapi.com/",
            "http://127.0.0.1:9000/",
        ] {
            assert_eq!(own.url(url, &policy).unwrap_err().code, Code::EgressDenied, "{url}");
        }
        let moved = site("hubspot", &json!({"base_url": "http://127.0.0.1:9000/"})).unwrap();
        assert!(moved.url("http://127.0.0.1:9000/next", &policy).is_ok());
        assert!(moved.url("https://api.hubapi.com/next", &policy).is_err());
        let token = moved.address("https://app.hubspot.com/oauth/authorize", &policy).unwrap();
        assert_eq!(token.as_str(), "http://127.0.0.1:9000/oauth/authorize");
    }

    #[test]
    fn a_credential_stays_where_it_was_entered_for() {
        let own = site("hubspot", &json!({})).unwrap();
        let moved = site("hubspot", &json!({"base_url": "http://127.0.0.1:9000"})).unwrap();
        let mut access = Access::lasting(Secrets::new());
        assert!(own.check_access(&access).is_ok());
        assert_eq!(moved.check_access(&access).unwrap_err().code, Code::EgressDenied);
        access.origin = Some(moved.origin().to_owned());
        assert!(moved.check_access(&access).is_ok());
        assert!(own.check_access(&access).is_err());
    }
}
