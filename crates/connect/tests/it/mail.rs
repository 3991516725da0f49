//! Letters over a real socket: what arrives, and what is known of those that do not.

use connectus_connect::mail::{Letter, Mailer, message_id};
use connectus_core::{Code, Error, TenantId};
use secrecy::SecretString;

use crate::{
    smtp::{Act, Post},
    world,
};

const FROM: &str = "connectus@example.org";

fn mailer(url: &str) -> Mailer {
    Mailer::new(Some(&SecretString::from(url)), FROM, 3).unwrap()
}

fn letter(to: &str) -> Letter {
    Letter {
        to: vec![to.to_owned()],
        subject: "Something went wrong: ä".to_owned(),
        text: "One\n.\n..Two".to_owned(),
        ..Letter::default()
    }
}

async fn send(mailer: &Mailer, key: &str, letter: &Letter) -> Result<String, Error> {
    mailer.send(&world::env().0, &TenantId::trusted("ten_1"), key, letter).await
}

fn certain(error: &Error) -> bool {
    error.extra.contains_key("not_sent")
}

fn unknown(error: &Error) -> bool {
    error.extra.get("outcome").is_some_and(|outcome| outcome == "unknown")
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written() {
    let post = Post::open(|_| Act::Take).await;
    let url = post.url().replace("smtp://", "smtp://ann%40example.org:p%3Aw@");
    let id = send(&mailer(&url), "k", &letter("bob@example.org")).await.unwrap();
    assert_eq!(id, message_id("k", FROM));
    let [arrived] = post.letters().try_into().unwrap();
    assert_eq!((arrived.from.as_str(), arrived.to), (FROM, vec!["bob@example.org".to_owned()]));
    assert_eq!(arrived.login.unwrap(), "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBwOnc=");
    assert!(arrived.text.contains(&id), "{}", arrived.text);
    // Lines that are a dot, or begin with one, end nothing.
    assert!(arrived.text.trim_end().ends_with("\r\n\r\nOne\r\n.\r\n..Two"), "{:?}", arrived.text);
}

#[tokio::test]
async fn without_a_server_it_says_what_to_set() {
    let off = Mailer::new(None, "", 3).unwrap();
    assert!(!off.is_set_up());
    let error = send(&off, "k", &letter("bob@example.org")).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict);
    assert!(error.detail.contains("SMTP_URL") && error.detail.contains("SMTP_FROM"));
    assert!(Mailer::new(Some(&SecretString::from("smtp://h")), "nobody", 3).is_err());
}

#[tokio::test]
async fn what_failed_before_the_letter_certainly_did_not_go_out() {
    let post = Post::open(|_| Act::Take).await;
    let mailer_ = mailer(&post.url());
    let refused = send(&mailer_, "k", &letter("nobody@example.org")).await.unwrap_err();
    assert_eq!(refused.code, Code::ProviderRefused);
    assert!(certain(&refused) && refused.detail.contains("nobody lives here"), "{refused:?}");
    let url = post.url().replace("smtp://", "smtp://aa:wrong@");
    let login = send(&mailer(&url), "k", &letter("bob@example.org")).await.unwrap_err();
    assert!(certain(&login) && !login.is_transient(), "{login:?}");
    // A server that must become protected and cannot.
    let plain = format!("smtp://{}", post.addr);
    let bare = send(&mailer(&plain), "k", &letter("bob@example.org")).await.unwrap_err();
    assert!(certain(&bare) && !bare.is_transient(), "{bare:?}");
    assert!(post.letters().is_empty());

    let gone = {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("smtp://{}?tls=none", closed.local_addr().unwrap())
    };
    let error = send(&mailer(&gone), "k", &letter("bob@example.org")).await.unwrap_err();
    assert!(certain(&error) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn what_the_server_answers_to_a_letter_is_known() {
    let post = Post::open(|number| match number {
        0 => Act::Say("451 try later"),
        1 => Act::Say("554 spam\x07"),
        _ => Act::Vanish,
    })
    .await;
    let mailer = mailer(&post.url());
    let later = send(&mailer, "k", &letter("bob@example.org")).await.unwrap_err();
    assert!(later.is_transient() && !unknown(&later), "{later:?}");
    let never = send(&mailer, "k", &letter("bob@example.org")).await.unwrap_err();
    assert!(!never.is_transient() && !unknown(&never), "{never:?}");
    assert!(!never.detail.contains('\x07'));
    let silent = send(&mailer, "k", &letter("bob@example.org")).await.unwrap_err();
    assert!(silent.is_transient() && unknown(&silent) && !certain(&silent), "{silent:?}");
    // Each has one identity, however often it is sent.
    let ids: Vec<_> = post
        .letters()
        .iter()
        .map(|letter| letter.header("Message-ID").unwrap().to_owned())
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[tokio::test]
async fn a_tenant_sends_so_many_an_hour() {
    let post = Post::open(|_| Act::Take).await;
    let (mailer, (env, clock)) = (mailer(&post.url()), world::env());
    let send = async |tenant: &str| {
        let tenant = TenantId::trusted(tenant);
        mailer.send(&env, &tenant, "k", &letter("bob@example.org")).await
    };
    for _ in 0..3 {
        send("ten_1").await.unwrap();
    }
    let error = send("ten_1").await.unwrap_err();
    assert_eq!(error.code, Code::RateLimited);
    assert_eq!(error.retry_after, Some(2_800));
    send("ten_2").await.unwrap();
    clock.advance_secs(3_600);
    send("ten_1").await.unwrap();
}
