//! Slows down guessing, by account and by network. An attempt is counted before it is tried, so
//! that parallel guesses cannot overtake the counter.

use connectus_core::{Code, Error, Result, Timestamp};
use connectus_store::{Store, Tx, login_attempts::Attempts};

use super::peer::Peer;

/// Wrong passwords an account may see before it has to wait.
pub const ACCOUNT_TRIES: i64 = 5;
/// Sign-ins a network may fail before it has to wait.
pub const NETWORK_TRIES: i64 = 50;
/// Failures older than this count no more, in seconds.
const WINDOW_SECS: i64 = 15 * 60;
/// The first wait; it doubles with each further failure, in seconds.
const FIRST_WAIT_SECS: i64 = 30;
/// The longest wait, in seconds.
const LONGEST_WAIT_SECS: i64 = 15 * 60;

/// What the attempts of one sign-in are counted against.
#[derive(Clone, Debug)]
pub struct Subjects {
    account: String,
    network: String,
}

impl Subjects {
    /// For an address and the account it tries, which need not exist.
    pub fn new(peer: Peer, email: &str) -> Self {
        // Hashed: the table must not collect what people mistype into the address field.
        let account = format!("account:{}", super::secret::hash(email));
        Self { account, network: format!("network:{}", peer.network()) }
    }
}

/// Counts an attempt, or refuses it.
///
/// # Errors
/// `rate_limited` with the time to wait.
pub async fn begin(store: &Store, subjects: Subjects) -> Result<()> {
    let wait = store
        .write(move |tx| {
            Box::pin(async move {
                tx.purge_attempts(tx.env().now().plus_secs(-WINDOW_SECS)).await?;
                // Always in this order, so that two transactions cannot wait for each other.
                if let Some(wait) = count(tx, &subjects.account, ACCOUNT_TRIES).await? {
                    return Ok(Some(wait));
                }
                count(tx, &subjects.network, NETWORK_TRIES).await
            })
        })
        .await?;
    match wait {
        None => Ok(()),
        Some(secs) => Err(Error::new(
            Code::RateLimited,
            format!("Too many failed sign-ins. Try again in {secs} seconds."),
        )
        .retry_after(secs)),
    }
}

/// Forgets the account's failures after a success, and takes the attempt off the network's.
///
/// # Errors
/// What the database says.
pub async fn succeed(tx: &mut Tx, subjects: &Subjects) -> Result<()> {
    tx.clear_attempts(&subjects.account).await?;
    let mut attempts = tx.open_attempts(&subjects.network).await?;
    attempts.failures = (attempts.failures - 1).max(0);
    tx.put_attempts(&subjects.network, attempts).await?;
    Ok(())
}

/// Counts one attempt of a subject; seconds to wait when it has to.
async fn count(tx: &mut Tx, subject: &str, tries: i64) -> Result<Option<u64>> {
    let now = tx.env().now();
    let attempts = tx.open_attempts(subject).await?;
    match next(attempts, tries, now) {
        Ok(attempts) => {
            tx.put_attempts(subject, attempts).await?;
            Ok(None)
        }
        Err(wait) => Ok(Some(wait)),
    }
}

/// The counter after one more attempt, or the seconds to wait.
fn next(attempts: Attempts, tries: i64, now: Timestamp) -> Result<Attempts, u64> {
    if attempts.blocked_until > now {
        let micros = attempts.blocked_until.0 - now.0;
        // Rounded up, so that whoever waits exactly this long is let in.
        return Err(u64::try_from(micros.div_euclid(1_000_000) + 1).unwrap_or(1));
    }
    let stale = attempts.updated_at.plus_secs(WINDOW_SECS) <= now;
    let failures = if stale { 1 } else { attempts.failures.saturating_add(1) };
    let excess = failures - tries;
    let wait = match u32::try_from(excess) {
        Ok(excess) => (FIRST_WAIT_SECS << excess.min(10)).min(LONGEST_WAIT_SECS),
        Err(_) => 0,
    };
    Ok(Attempts { failures, blocked_until: now.plus_secs(wait), updated_at: now })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn lets_a_few_tries_pass_and_then_waits_longer_and_longer() {
        let mut attempts = Attempts { failures: 0, blocked_until: Timestamp(0), updated_at: START };
        for _ in 0..5 {
            attempts = next(attempts, 5, START).unwrap();
        }
        assert_eq!(next(attempts, 5, START), Err(31));
        let mut now = START;
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(attempts.blocked_until, now.plus_secs(wait));
            assert!(next(attempts, 5, now.plus_secs(wait - 1)).is_err());
            now = now.plus_secs(wait);
            if wait == LONGEST_WAIT_SECS {
                break;
            }
            attempts = next(attempts, 5, now).unwrap();
        }
    }

    #[test]
    fn old_failures_are_forgiven() {
        let attempts = Attempts { failures: 4, blocked_until: Timestamp(0), updated_at: START };
        assert_eq!(next(attempts, 5, START.plus_secs(WINDOW_SECS)).unwrap().failures, 1);
        assert_eq!(next(attempts, 5, START.plus_secs(WINDOW_SECS - 1)).unwrap().failures, 5);
    }
}
