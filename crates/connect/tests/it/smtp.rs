//! A small SMTP server on loopback: it speaks as much as a client needs, keeps every letter, and
//! misbehaves as told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What it does with the n-th letter, once it has it.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Takes it.
    Take,
    /// Answers this line.
    Say(&'static str),
    /// Takes it and breaks off without a word.
    Vanish,
}

/// A letter as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
    pub login: Option<String>,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        let start = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&start))
    }
}

/// A running server.
pub struct Post {
    pub addr: SocketAddr,
    kept: Arc<Mutex<Vec<Received>>>,
}

type Script = dyn Fn(usize) -> Act + Send + Sync;

impl Post {
    /// Does with the letters, counted from 0, what `script` says. Nobody lives at `nobody@`.
    pub async fn open(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let kept: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (all, script): (_, Arc<Script>) = (kept.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, script) = (all.clone(), script.clone());
                // Whoever breaks off has its reasons.
                tokio::spawn(async move { drop(converse(stream, &all, &*script).await) });
            }
        });
        Self { addr, kept }
    }

    /// Its address, as settings want it.
    pub fn url(&self) -> String {
        format!("smtp://{}?tls=none", self.addr)
    }

    /// The letters that came, whatever became of them.
    pub fn letters(&self) -> Vec<Received> {
        self.kept.lock().unwrap().clone()
    }
}

async fn converse(
    stream: TcpStream,
    all: &Mutex<Vec<Received>>,
    script: &Script,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut letter = Received::default();
    stream.write_all(b"220 post ESMTP\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-post\r\n250-AUTH PLAIN\r\n250-8BITMIME\r\n250 SIZE 1000000",
            // NUL aa NUL wrong, in base64.
            "AUTH" if line.contains("AGFhAHdyb25n") => "535 no",
            "AUTH" => {
                letter.login = Some(line.trim().to_owned());
                "235 welcome"
            }
            "MAIL" => {
                letter.from = between(&line);
                "250 ok"
            }
            "RCPT" if line.contains("<nobody@") => "550 nobody lives here",
            "RCPT" => {
                letter.to.push(between(&line));
                "250 ok"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                letter.text = body(&mut stream).await?;
                let number = {
                    let mut all = all.lock().unwrap();
                    all.push(std::mem::take(&mut letter));
                    all.len() - 1
                };
                match script(number) {
                    Act::Take => "250 taken",
                    Act::Say(answer) => answer,
                    Act::Vanish => return Ok(()),
                }
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn between(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(String::new(), |(address, _)| address.to_owned())
}

async fn body(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
