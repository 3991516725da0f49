//! API versions that end, and what a sign-in tells about an account.

use connectus_core::{Code, Page, Timestamp, health::Severity};
use connectus_store::health_logs::HealthLogFilter;
use connectus_testkit::both;

use super::{
    super::{CredentialChange, IntegrationChange},
    *,
};

impl Rig {
    async fn graph(&self, version: &str) -> Result<IntegrationView> {
        let token = json!({"access_token": self.handle().keys().facebook_token});
        let settings = json!({"ad_account_id": "836000001", "api_version": version});
        self.create_with("facebook_ads", token, settings).await
    }

    /// Operation, severity and occurrences of what is open.
    async fn spoken_of(&self) -> Vec<(String, Severity, u64)> {
        let filter = HealthLogFilter { open: Some(true), ..Default::default() };
        let mut conn = self.db.store.read().await.unwrap();
        let found = conn.health_logs(&self.ctx, &filter, Page::default()).await.unwrap();
        let mut found: Vec<_> = found.items.into_iter().collect();
        found.sort_by_key(|log| log.created_at);
        found.into_iter().map(|log| (log.operation, log.severity, log.occurrences)).collect()
    }

    async fn test_works(&self, id: &IntegrationId) {
        let outcome = self.connections.test(&self.ctx, id).await.unwrap();
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
    }
}

both! {
    async fn the_end_of_a_version_is_spoken_of_once_a_day_until_another_is_chosen(db: TestStore) {
        let rig = Rig::new(&db).await;
        let day = |text: &str| Timestamp::parse(text).unwrap();
        let id = rig.graph("v21.0").await.unwrap().integration.id;
        // It ends on 2027-01-21.
        db.sim.clock.set(day("2026-10-20"));
        rig.test_works(&id).await;
        assert_eq!(rig.spoken_of().await, []);
        db.sim.clock.set(day("2026-10-24"));
        for _ in 0..3 {
            rig.test_works(&id).await;
        }
        let said = |severity, times| ("api_version".to_owned(), severity, times);
        assert_eq!(rig.spoken_of().await, [said(Severity::Medium, 1)]);
        // The score counts it once there are runs to weigh it against.
        let scored = crate::health::scores(&db.store, &rig.ctx).await.unwrap();
        let figures = &scored[0].figures;
        assert_eq!((figures.inputs.errors.medium, figures.open_problems), (1, 1));
        db.sim.clock.set(day("2026-10-25"));
        rig.test_works(&id).await;
        assert_eq!(rig.spoken_of().await, [said(Severity::Medium, 2)]);
        db.sim.clock.set(day("2027-01-21"));
        rig.test_works(&id).await;
        let both = [said(Severity::Medium, 2), said(Severity::High, 1)];
        assert_eq!(rig.spoken_of().await, both);
        let later = json!({"api_version": "v26.0"}).as_object().cloned();
        let change = IntegrationChange { settings: later, ..Default::default() };
        rig.connections.update(&rig.ctx, &id, change, |_| Ok(())).await.unwrap();
        rig.test_works(&id).await;
        assert_eq!(rig.spoken_of().await, []);
    }

    async fn only_a_version_that_works_can_be_chosen(db: TestStore) {
        let rig = Rig::new(&db).await;
        let error = rig.graph("v3.0").await.unwrap_err();
        assert_eq!(error.code, Code::Invalid);
        assert_eq!(error.fields[0].field, "settings.api_version");
        assert!(error.fields[0].message.contains("v26.0, v25.0, v21.0"), "{error:?}");
        // Where there is but one version there is nothing to choose.
        let token = json!({"access_token": "x"});
        let settings = json!({"api_version": "v3"});
        let error = rig.create_with("hubspot", token, settings).await.unwrap_err();
        assert_eq!(error.fields[0].field, "settings.api_version");
    }

    async fn the_word_that_meta_says_back_is_a_credential(db: TestStore) {
        let rig = Rig::new(&db).await;
        let keys = rig.handle().keys();
        let credentials = json!({"access_token": keys.facebook_token, "verify_token": "agreed",
            "client_secret": keys.facebook_client_secret});
        let settings = json!({"ad_account_id": "836000001"});
        let made = rig.create_with("facebook_ads", credentials, settings).await.unwrap();
        rig.test_works(&made.integration.id).await;
    }

    async fn the_data_centre_is_read_from_the_key(db: TestStore) {
        let rig = Rig::new(&db).await;
        let key = rig.handle().keys().mailchimp_api_key.clone();
        let made = rig.create("mailchimp", json!({"api_key": key})).await.unwrap();
        let id = made.integration.id;
        assert_eq!(rig.view(&id).await.integration.settings["dc"], "us6");
        rig.test_works(&id).await;
        let other = secrets(&json!({"api_key": "0123456789abcdef-us21"}));
        let entered = CredentialChange { set: other, remove: Vec::new() };
        let change = IntegrationChange { credentials: Some(entered), ..Default::default() };
        rig.connections.update(&rig.ctx, &id, change, |_| Ok(())).await.unwrap();
        assert_eq!(rig.view(&id).await.integration.settings["dc"], "us21");
    }

    async fn where_an_account_lives_is_learnt_at_the_sign_in(db: TestStore) {
        let rig = Rig::new(&db).await;
        // Neither is known before: the data centre of Mailchimp, the organisation's address.
        let mailchimp = rig.connected("mailchimp").await;
        assert_eq!(rig.view(&mailchimp).await.integration.settings["dc"], "us6");
        rig.test_works(&mailchimp).await;
        let salesforce = rig.connected("salesforce").await;
        let settings = rig.view(&salesforce).await.integration.settings;
        assert_eq!(settings["instance_url"], json!(rig.fakes.salesforce_base_url));
        rig.test_works(&salesforce).await;
    }
}
