//! The OAuth round trip over HTTP.

use connectus_core::access::Role;
use connectus_testkit::both;

use crate::support::{Call, crm::Crm};

fn authorize(id: &str) -> Call {
    Call::get(&format!("/api/v1/oauth/hubspot/authorize?integration_id={id}"))
}

/// The path and query of an address of ours.
fn local(url: &str) -> String {
    url.strip_prefix("http://connectus.test").unwrap().to_owned()
}

both! {
    async fn a_program_gets_a_link_and_ends_the_round_trip(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.unauthorised().await;
        let link = crm.send(authorize(&id)).await.expect(200);
        assert_eq!(
            link.text_of("redirect_uri"),
            "http://connectus.test/api/v1/oauth/hubspot/callback"
        );
        let url = link.text_of("authorize_url");
        for part in ["code_challenge_method=S256", "state=", "scope=oauth"] {
            assert!(url.contains(part), "{url}");
        }
        let back = crm.visit(&url).await;
        let done = crm.send(Call::get(&local(&back))).await.expect(200);
        assert_eq!(
            (done.text_of("integration_id"), done.text_of("status")),
            (id.clone(), "connected".into())
        );
        let view = crm.send(Call::get(&format!("/api/v1/integrations/{id}"))).await.json();
        assert_eq!(view["credentials"]["state"], "active");
        crm.send(Call::get(&local(&back))).await.refused(400, "bad_request");
    }

    async fn a_browser_is_redirected_and_comes_back_to_where_it_was(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.unauthorised().await;
        let page = "text/html,application/xhtml+xml";
        let start = format!(
            "/integrations/oauth/hubspot/authorize/?integration_id={id}&return_to=/console"
        );
        let away = crm.send(Call::get(&start).header("accept", page)).await.expect(303);
        let back = crm.visit(away.header("location")).await;
        let home = crm.send(Call::get(&local(&back)).header("accept", page)).await.expect(303);
        assert_eq!(home.header("location"), format!("/console?connected={id}"));
        // The same return again: a page that says what to do, and holds nothing of the address.
        let again = crm.send(Call::get(&local(&back)).header("accept", page)).await.expect(400);
        assert!(again.header("content-type").starts_with("text/html"), "{again:?}");
        assert!(again.text.contains("Start it again"), "{}", again.text);
        assert_eq!(again.header("cache-control"), "no-store");
        let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
        assert!(!again.text.contains(state));
    }

    async fn only_the_one_who_began_can_end_it(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.unauthorised().await;
        let theirs = crm.app.organisation("Theirs").await;
        let (admin, stranger) = (crm.of.key(Role::Admin), theirs.owner());
        for other in [admin, stranger] {
            let url = crm.send(authorize(&id)).await.text_of("authorize_url");
            let back = crm.visit(&url).await;
            let call = Call::get(&local(&back)).bearer(other);
            crm.app.send(call).await.refused(400, "bad_request");
        }
        let url = crm.send(authorize(&id)).await.text_of("authorize_url");
        let back = crm.visit(&url).await;
        crm.app.send(Call::get(&local(&back))).await.refused(401, "unauthenticated");
        let viewer = Call::get(&local(&back)).bearer(crm.of.key(Role::Viewer));
        crm.app.send(viewer).await.refused(403, "forbidden");
        let mixed = local(&back).replace("/hubspot/", "/slack/");
        crm.send(Call::get(&mixed)).await.refused(400, "bad_request");
        assert_eq!(crm.handle().calls_of("POST", "/oauth/v3/token"), 0);
        let view = crm.send(Call::get(&format!("/api/v1/integrations/{id}"))).await.json();
        assert_eq!(view["status"], "pending");
    }

    async fn odd_addresses_lead_nowhere(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.unauthorised().await;
        for (path, status, code) in [
            ("/api/v1/oauth/hubspot/callback", 400, "bad_request"),
            ("/api/v1/oauth/hubspot/callback?state=&code=x", 400, "bad_request"),
            ("/api/v1/oauth/hubspot/callback?state=x&code=x", 400, "bad_request"),
            ("/api/v1/oauth/hubspot/callback?state=x&error=access_denied", 400, "bad_request"),
            ("/api/v1/oauth/hubspot/authorize", 400, "bad_request"),
            ("/api/v1/oauth/hubspot/authorize?integration_id=int_x", 404, "not_found"),
            (&format!("/api/v1/oauth/slack/authorize?integration_id={id}"), 404, "not_found"),
            (&format!("/api/v1/oauth/a%2Fb/authorize?integration_id={id}"), 404, "not_found"),
            (
                &format!(
                    "/api/v1/oauth/hubspot/authorize?integration_id={id}&return_to=//evil.example"
                ),
                422,
                "invalid",
            ),
        ] {
            crm.send(Call::get(path)).await.refused(status, code);
        }
    }
}
