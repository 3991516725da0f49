//! A whole application in the test's process: real router, real database, simulated time.

pub mod answer;
pub mod call;
pub mod crm;
pub mod log;
pub mod objects;
pub mod organisation;
pub mod world;

use axum::Router;
use connectus::{
    app::App,
    config::{Config, Flags, Settings, Sources},
    http::router,
    process::assemble::{Surroundings, assemble},
};
use connectus_connect::http::Limits;
use connectus_engine::connections::seed_providers;
use connectus_testkit::TestStore;
use tower::ServiceExt;

pub use answer::Answer;
pub use call::Call;
pub use organisation::Organisation;

/// Where a test application says it is reached.
pub const PUBLIC_URL: &str = "http://connectus.test";

/// An application with its database and clock. Its engine does not run unless a test starts it.
pub struct TestApp {
    /// The application.
    pub app: App,
    /// Its database and clock.
    pub db: TestStore,
    router: Router,
}

impl TestApp {
    /// An application with default settings on an empty database.
    pub async fn start(db: TestStore) -> Self {
        Self::with(db, |_| {}).await
    }

    /// An application with changed settings.
    pub async fn with(db: TestStore, change: impl FnOnce(&mut Settings)) -> Self {
        Self::within(db, Limits::default(), change).await
    }

    /// An application with changed settings and limits of its own for outbound calls.
    pub async fn within(db: TestStore, limits: Limits, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = default_settings();
        change(&mut settings);
        seed_providers(&db.store).await.unwrap();
        let public_url = settings
            .server
            .public_url
            .as_ref()
            .map_or(PUBLIC_URL.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned());
        let around = Surroundings { public_url, limits, ..Surroundings::default() };
        let app = assemble(&db.store, &settings, around).unwrap();
        let router = router::build(app.clone());
        Self { app, db, router }
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, call: Call) -> Answer {
        Answer::read(self.open(call).await).await
    }

    /// Answers on a socket, for clients that need one. Returns its address.
    pub fn serve(&self, listener: tokio::net::TcpListener) -> std::net::SocketAddr {
        let at = listener.local_addr().unwrap();
        let answers = self.router.clone();
        let service = answers.into_make_service_with_connect_info::<std::net::SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        at
    }

    /// Sends a request and leaves the body of the answer unread, as streams need it.
    pub async fn open(&self, call: Call) -> axum::response::Response {
        self.router.clone().oneshot(call.into_request()).await.unwrap()
    }
}

fn default_settings() -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    let flags = Flags {
        settings: vec![("data.dir".to_owned(), path, "--data-dir".to_owned())],
        ..Flags::default()
    };
    let sources = Sources { flags, folder: folder.path().to_owned(), ..Sources::default() };
    Config::load(&sources).unwrap().settings
}
