//! When the write-ahead log is copied into the database file. To copy it takes the disk's time; a
//! thread of its own does it while the writer goes on to commit, so that nobody waits for it. Only
//! the writer can see the end of the log, and only a log that was copied to its end begins anew: so
//! it copies what was added meanwhile, which is little.

use std::{
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread::JoinHandle,
};

use connectus_core::{Error, Result};
use connectus_sqlite::{Connection, Options};

/// Pages added to the log before it is copied. Hot pages are written to the log with each commit
/// and to the file once for each copy: the fewer of these the better.
const COPIED_AFTER: u32 = 4_000;
/// Pages after which a log is copied again that could not begin anew, because somebody was reading
/// an older state of it: it can do so only when it was copied to its end.
const COPIED_AGAIN_AFTER: u32 = 100;
/// Pages in a log that the writer waits with, so that it stays below a hundred megabytes.
const MOST: u32 = 20_000;

/// The thread that copies, and what the writer knows of it.
pub(crate) struct Checkpoints {
    ask: Sender<()>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
    is_copying: bool,
    /// Pages in the log when it was last copied.
    copied_at: u32,
}

impl Checkpoints {
    /// Takes over the log of a writer.
    ///
    /// # Errors
    /// `internal` when the system has no thread left.
    pub(crate) fn start(writer: &mut Connection, options: Options) -> Result<Self> {
        let ((ask, asked), (tell, done)) = (channel(), channel());
        let thread = std::thread::Builder::new().name("database-log".to_owned());
        let thread = thread.spawn(move || copy_when_asked(&options, &asked, &tell));
        let thread = thread.map_err(Error::internal)?;
        writer.leave_log();
        Ok(Self { ask, done, thread, is_copying: false, copied_at: 0 })
    }

    /// The writer has committed.
    pub(crate) fn committed(&mut self, writer: &mut Connection) {
        let pages = writer.logged();
        if self.is_copying {
            return match self.done.try_recv() {
                Err(TryRecvError::Empty) if pages < MOST => {}
                Err(TryRecvError::Empty) => {
                    let _ = self.done.recv();
                    self.finish(writer, pages);
                }
                _ => self.finish(writer, pages),
            };
        }
        // The log has begun anew.
        self.copied_at = if pages < self.copied_at { 0 } else { self.copied_at };
        if self.copied_at > 0 {
            if pages >= self.copied_at + COPIED_AGAIN_AFTER {
                self.finish(writer, pages);
            }
        } else if pages >= COPIED_AFTER {
            self.is_copying = self.ask.send(()).is_ok();
            if !self.is_copying {
                self.finish(writer, pages);
            }
        }
    }

    fn finish(&mut self, writer: &mut Connection, pages: u32) {
        (self.is_copying, self.copied_at) = (false, pages);
        if let Err(error) = writer.copy_log() {
            warn(&error);
        }
    }

    /// Ends the thread; its connection is closed then.
    pub(crate) fn stop(self) {
        drop(self.ask);
        let _ = self.thread.join();
    }
}

fn copy_when_asked(options: &Options, asked: &Receiver<()>, tell: &Sender<()>) {
    let mut conn = None;
    while asked.recv().is_ok() {
        let copied = match &mut conn {
            Some(conn) => Connection::copy_log(conn),
            None => options.open().and_then(|opened| conn.insert(opened).copy_log()),
        };
        if let Err(error) = copied {
            warn(&error);
        }
        if tell.send(()).is_err() {
            return;
        }
    }
}

/// Nothing is lost by it: the log is copied later, at the latest when the database is opened next.
fn warn(error: &dyn std::fmt::Display) {
    tracing::warn!(
        action = "database.checkpoint",
        service = "store",
        status = "failure",
        %error,
        "the write-ahead log cannot be copied into the database file; trying again later"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(conn: &mut Connection, checkpoints: &mut Checkpoints, commits: u32) -> u32 {
        let mut most = 0;
        for _ in 0..commits {
            conn.batch("INSERT INTO t SELECT randomblob(400000)").unwrap();
            checkpoints.committed(conn);
            most = most.max(conn.logged());
        }
        most
    }

    #[test]
    fn a_log_that_is_written_without_pause_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("database"));
        let mut conn = options.open().unwrap();
        conn.batch("CREATE TABLE t (data BLOB)").unwrap();
        let mut checkpoints = Checkpoints::start(&mut conn, options).unwrap();
        // A hundred pages each.
        let most = filled(&mut conn, &mut checkpoints, 2 * MOST / 100);
        assert!((COPIED_AFTER..=MOST + 200).contains(&most), "{most}");
        checkpoints.stop();
    }

    #[test]
    fn a_log_that_is_read_begins_anew_soon_after() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("database"));
        let mut conn = options.open().unwrap();
        conn.batch("CREATE TABLE t (data BLOB)").unwrap();
        let mut checkpoints = Checkpoints::start(&mut conn, options.clone()).unwrap();
        filled(&mut conn, &mut checkpoints, 1);
        let mut reader = options.read_only().open().unwrap();
        reader.batch("BEGIN; SELECT count(*) FROM t").unwrap();
        let most = filled(&mut conn, &mut checkpoints, COPIED_AFTER / 100 + 20);
        assert!(most > COPIED_AFTER);
        // Whether the thread is done by now or not.
        while checkpoints.is_copying {
            filled(&mut conn, &mut checkpoints, 1);
        }
        reader.batch("COMMIT").unwrap();
        let before = conn.logged();
        let begins_anew = (0..5).any(|_| {
            filled(&mut conn, &mut checkpoints, 1);
            conn.logged() < before
        });
        assert!(begins_anew, "{before} pages");
        checkpoints.stop();
    }

    #[test]
    fn a_thread_that_is_gone_is_done_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let mut conn = Options::new(&path).open().unwrap();
        conn.batch("CREATE TABLE t (data BLOB)").unwrap();
        let nowhere = Options::new(folder.path().join("no/such/place"));
        let mut checkpoints = Checkpoints::start(&mut conn, nowhere).unwrap();
        let most = filled(&mut conn, &mut checkpoints, 2 * MOST / 100);
        assert!(most <= MOST + 200, "{most}");
        checkpoints.stop();
    }
}
