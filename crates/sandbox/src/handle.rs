//! The hand inside: inspects and changes what the fakes hold while they run.

use std::{collections::BTreeMap, sync::Arc};

use connectus_core::{Code, Error, Result};
use serde_json::Value;

use crate::{
    config::Keys,
    fault::Fault,
    hubspot::{ObjectType, PORTAL_ID, Refusal, Values},
    ledger::{Call, EffectCount, EffectSummary, Provider},
    salesforce::SalesforceType,
    slack::SlackMessage,
    webhook::{self, HubspotEvent, SignedWebhook},
    world::World,
};

/// Inspects and changes what the fakes hold. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    world: Arc<World>,
}

impl Handle {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// The credentials the fakes accept.
    pub fn keys(&self) -> &Keys {
        &self.world.config.keys
    }

    // --- HubSpot records ---

    /// Live records of a type.
    pub fn count(&self, object_type: ObjectType) -> usize {
        self.world.portal().table(object_type).len()
    }

    /// Ids of the live records of a type, in order.
    pub fn ids(&self, object_type: ObjectType) -> Vec<u64> {
        let portal = self.world.portal();
        let live = portal.table(object_type).iter().filter(|record| record.archived.is_none());
        live.map(|record| record.id).collect()
    }

    /// A live record as the API shows it, with every property it has.
    pub fn record(&self, object_type: ObjectType, id: u64) -> Option<Value> {
        let portal = self.world.portal();
        let record = portal.table(object_type).find(&id.to_string(), None, false).ok()??;
        let names: Vec<_> = record.values.keys().cloned().collect();
        Some(record.show(object_type, &names))
    }

    /// Adds a record, as a colleague would in HubSpot's own screens.
    ///
    /// # Errors
    /// `invalid` when HubSpot would refuse the values.
    pub fn add(&self, object_type: ObjectType, properties: &[(&str, &str)]) -> Result<u64> {
        let now = self.world.now();
        let mut portal = self.world.portal();
        let created = portal.table_mut(object_type).create(values(properties), now);
        created.map(|record| record.id).map_err(refused)
    }

    /// Changes properties of a record; an empty value clears one.
    ///
    /// # Errors
    /// `invalid` when HubSpot would refuse the values or there is no such record.
    pub fn edit(
        &self,
        object_type: ObjectType,
        id: u64,
        properties: &[(&str, &str)],
    ) -> Result<()> {
        let now = self.world.now();
        let mut portal = self.world.portal();
        portal.table_mut(object_type).update(id, values(properties), now).map_err(refused)?;
        Ok(())
    }

    /// Archives a record; `false` when there was none.
    pub fn delete(&self, object_type: ObjectType, id: u64) -> bool {
        self.world.portal().table_mut(object_type).archive(id, self.world.now())
    }

    // --- Slack messages ---

    /// The messages received, oldest first.
    pub fn messages(&self) -> Vec<SlackMessage> {
        self.world.workspace().messages.iter().cloned().collect()
    }

    // --- Mailchimp members ---

    /// Adds or changes a member of an audience, as a colleague would in Mailchimp's own screens.
    pub fn put_member(&self, list: &str, email: &str, first_name: &str) {
        let now = self.world.now();
        self.world.mailchimp().put_by_hand(list, email, first_name, now);
    }

    /// Members of an audience that are not archived.
    pub fn members(&self, list: &str) -> usize {
        self.world.mailchimp().count(list)
    }

    /// A member as the API shows them.
    pub fn member(&self, list: &str, email: &str) -> Option<Value> {
        self.world.mailchimp().shown(list, email)
    }

    /// A Mailchimp delivery of this event, as a form. The address holds the secret.
    pub fn mailchimp_webhook(&self, url: &str, kind: &str, data: &[(&str, &str)]) -> SignedWebhook {
        webhook::mailchimp(kind, data, url, self.world.now())
    }

    // --- Salesforce records ---

    /// Ids of the live records of an object.
    pub fn salesforce_ids(&self, kind: SalesforceType) -> Vec<String> {
        let org = self.world.salesforce();
        let live = org.table(kind).filter(|record| !record.deleted);
        live.map(|record| record.id.clone()).collect()
    }

    /// A field of a record; null where there is none.
    pub fn salesforce_value(&self, kind: SalesforceType, id: &str, field: &str) -> Value {
        let org = self.world.salesforce();
        let record = org.table(kind).find(|record| record.id == id);
        record.map(|record| record.value(field)).unwrap_or_default()
    }

    /// Changes a record the way the system itself does: `SystemModstamp` moves, nothing else.
    pub fn salesforce_touch(&self, kind: SalesforceType, id: &str) {
        let now = self.world.now();
        self.world.salesforce().touch(kind, id, now);
    }

    // --- Facebook ---

    /// Somebody fills in the lead form; the lead's id.
    pub fn facebook_lead(&self, email: &str) -> String {
        let now = self.world.now();
        self.world.facebook().add_lead(email, now)
    }

    /// Conversions that arrive late, for a campaign and a day (`YYYY-MM-DD`).
    pub fn facebook_late_conversions(&self, campaign: &str, day: &str, count: u32) {
        self.world.facebook().late.insert((campaign.to_owned(), day.to_owned()), count);
    }

    /// Lets so many of the next reports fail.
    pub fn facebook_fail_reports(&self, count: u32) {
        self.world.facebook().failing_reports = count;
    }

    /// Forgets the reports, as Facebook does after a while.
    pub fn facebook_forget_reports(&self) {
        self.world.facebook().reports.clear();
    }

    /// The hashed members of a custom audience.
    pub fn facebook_audience(&self, id: &str) -> Vec<String> {
        let account = self.world.facebook();
        account.audiences.get(id).into_iter().flatten().cloned().collect()
    }

    /// A Facebook delivery of leads, in entries of the page, signed with the app's secret.
    pub fn facebook_webhook(&self, url: &str, entries: &[&[&str]]) -> SignedWebhook {
        let secret = &self.keys().facebook_client_secret;
        webhook::facebook(entries, url, secret, self.world.now())
    }

    // --- Google Ads ---

    /// Conversions that arrive late, for a campaign's id and a day (`YYYY-MM-DD`).
    pub fn google_late_conversions(&self, campaign: &str, day: &str, count: f64) {
        let key = (campaign.to_owned(), day.to_owned());
        self.world.google().late.insert(key, count);
    }

    /// Operations spent today.
    pub fn google_operations(&self) -> u32 {
        self.world.google().spent
    }

    /// Conversions uploaded.
    pub fn google_conversions(&self) -> usize {
        self.world.google().conversions.len()
    }

    // --- Zapier ---

    /// Somebody turns a Zap on that subscribes to us: the path of its target.
    pub fn zapier_subscribe(&self) -> String {
        self.world.zapier().subscribe()
    }

    /// Somebody turns a Zap off.
    pub fn zapier_turn_off(&self, path: &str) {
        self.world.zapier().turn_off(path);
    }

    /// Whether a Zap is on.
    pub fn zapier_is_on(&self, path: &str) -> bool {
        self.world.zapier().is_on(path)
    }

    /// What a Zap's hook caught, oldest first.
    pub fn zapier_caught(&self, path: &str) -> Vec<Value> {
        self.world.zapier().caught(path)
    }

    // --- Faults and tokens ---

    /// Scripts a fault.
    pub fn fault(&self, fault: Fault) {
        self.world.faults().add(fault);
    }

    /// Forgets the faults not yet spent.
    pub fn clear_faults(&self) {
        self.world.faults().clear();
    }

    /// Faults not yet spent.
    pub fn pending_faults(&self) -> usize {
        self.world.faults().pending()
    }

    /// Ends the life of every OAuth access token now; refresh tokens stay.
    pub fn expire_tokens(&self) {
        let now = self.world.now();
        self.world.portal().grants.expire_all(now);
        self.world.workspace().grants.expire_all(now);
        self.world.mailchimp().grants.expire_all(now);
        self.world.salesforce().grants.expire_all(now);
        self.world.facebook().grants.expire_all(now);
        self.world.google().grants.expire_all(now);
    }

    /// Withdraws every OAuth grant, as an administrator who removes the app.
    pub fn revoke_grants(&self) {
        self.world.portal().grants.revoke_all();
        self.world.workspace().grants.revoke_all();
        self.world.mailchimp().grants.revoke_all();
        self.world.salesforce().grants.revoke_all();
        self.world.facebook().grants.revoke_all();
        self.world.google().grants.revoke_all();
    }

    // --- What was asked ---

    /// The calls received, oldest first; the newest 20,000 of them.
    pub fn calls(&self) -> Vec<Call> {
        self.world.ledger().calls()
    }

    /// Calls received since the start or the last [`Handle::clear_calls`].
    pub fn call_count(&self) -> u64 {
        self.world.ledger().total()
    }

    /// Calls of one method and exact path.
    pub fn calls_of(&self, method: &str, path: &str) -> u64 {
        self.world.ledger().count(method, path)
    }

    /// Calls by `METHOD path`.
    pub fn calls_by_path(&self) -> BTreeMap<String, u64> {
        self.world.ledger().counts().clone()
    }

    /// Calls by answered status: 429 counts those over a limit, 0 the dropped ones.
    pub fn calls_by_status(&self) -> BTreeMap<u16, u64> {
        self.world.ledger().statuses().clone()
    }

    /// Forgets the calls; effects are kept.
    pub fn clear_calls(&self) {
        self.world.ledger().clear_calls();
    }

    /// What happened under one idempotency key.
    pub fn effect(&self, provider: Provider, key: &str) -> EffectCount {
        self.world.ledger().effect(provider, key)
    }

    /// What happened under each idempotency key.
    pub fn effects(&self) -> Vec<(Provider, String, EffectCount)> {
        self.world.ledger().effects()
    }

    /// Effects of all keys together.
    pub fn effect_summary(&self) -> EffectSummary {
        self.world.ledger().summary()
    }

    // --- Webhooks ---

    /// A delivery of these events, signed for `url` with the app's client secret. Post it there.
    pub fn hubspot_webhook(&self, url: &str, events: &[HubspotEvent]) -> SignedWebhook {
        let secret = &self.keys().hubspot_client_secret;
        webhook::hubspot(events, PORTAL_ID, url, secret, self.world.now())
    }

    /// The same, signed with another secret: an integration may have its own app.
    pub fn hubspot_webhook_with(
        &self,
        url: &str,
        client_secret: &str,
        events: &[HubspotEvent],
    ) -> SignedWebhook {
        webhook::hubspot(events, PORTAL_ID, url, client_secret, self.world.now())
    }

    /// A Slack Events API delivery of this payload, signed with the signing secret.
    pub fn slack_event(&self, url: &str, payload: &Value) -> SignedWebhook {
        webhook::slack(payload, url, &self.keys().slack_signing_secret, self.world.now())
    }
}

fn values(properties: &[(&str, &str)]) -> Values {
    properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn refused(refusal: Refusal) -> Error {
    Error::new(Code::Invalid, refusal.message)
}
