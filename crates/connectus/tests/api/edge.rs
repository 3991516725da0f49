//! What every answer has, whatever was asked.

use connectus_testkit::both;

use crate::support::{Call, TestApp};

both! {
    async fn requests_are_named(db: TestStore) {
        let app = TestApp::start(db).await;
        let made = app.send(Call::get("/health")).await.expect(200);
        assert!(made.header("x-request-id").starts_with("req_"), "{made:?}");
        let kept = app.send(Call::get("/health").header("x-request-id", "order-66")).await;
        assert_eq!(kept.header("x-request-id"), "order-66");
        for forged in ["a b", "<script>", &"x".repeat(65), ""] {
            let answer = app.send(Call::get("/health").header("x-request-id", forged)).await;
            assert!(answer.header("x-request-id").starts_with("req_"), "{forged:?}");
        }
    }

    async fn answers_protect_browsers(db: TestStore) {
        let app = TestApp::start(db).await;
        for path in ["/health", "/nothing/here", "/api/v1/users"] {
            let answer = app.send(Call::get(path)).await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert!(answer.header("content-security-policy").contains("'none'"), "{path}");
            assert_eq!(answer.header("strict-transport-security"), "", "{path}");
        }
    }

    async fn https_is_remembered_by_browsers(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.server.public_url = Some("https://connectus.example".parse().unwrap());
        })
        .await;
        let answer = app.send(Call::get("/health")).await;
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    }

    async fn refusals_are_problem_documents(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        app.send(Call::get("/nothing/here")).await.refused(404, "not_found");
        app.send(Call::delete("/health")).await.refused(405, "method_not_allowed");
        let own = |call: Call| call.bearer(ours.owner());
        let broken = own(Call::get("/api/v1/users?limit=many"));
        app.send(broken).await.refused(400, "bad_request");
        let path = own(Call::get("/api/v1/users/%ff"));
        app.send(path).await.refused(400, "bad_request");
        let text = own(Call::post("/api/v1/users")).raw("text/plain", b"{}");
        app.send(text).await.refused(415, "unsupported_media_type");
        let syntax = own(Call::post("/api/v1/users")).raw("application/json", b"{");
        app.send(syntax).await.refused(400, "bad_request");
        let large = vec![b' '; 1024 * 1024 + 1];
        let large = own(Call::post("/api/v1/users")).raw("application/json", &large);
        app.send(large.clone()).await.refused(413, "too_large");
        app.send(large.key("k")).await.refused(413, "too_large");
    }

    async fn other_sites_read_nothing_unless_allowed(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.server.cors_origins = vec!["https://partner.example".to_owned()];
        })
        .await;
        let from = |origin: &str| Call::get("/health").header("origin", origin);
        let allowed = app.send(from("https://partner.example")).await;
        assert_eq!(allowed.header("access-control-allow-origin"), "https://partner.example");
        assert_eq!(allowed.header("access-control-allow-credentials"), "");
        let other = app.send(from("https://evil.example")).await;
        assert_eq!(other.header("access-control-allow-origin"), "");
        let preflight = Call::new("OPTIONS", "/api/v1/users")
            .header("origin", "https://partner.example")
            .header("access-control-request-method", "POST");
        let preflight = app.send(preflight).await;
        assert!(preflight.header("access-control-allow-methods").contains("POST"));
    }

    async fn without_configuration_no_other_site_reads_anything(db: TestStore) {
        let app = TestApp::start(db).await;
        let answer = app.send(Call::get("/health").header("origin", "https://evil.example")).await;
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}
