//! The time that the core is told, and the thread that tells it when time has passed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use shelfmq_core::time::Time;

/// Where a [`Shelf`](crate::Shelf) takes the time from.
#[derive(Debug)]
pub struct Clock(Source);

#[derive(Debug)]
enum Source {
    /// The wall clock as it was when this was made, and what has gone by on the monotonic clock since.
    System { wall: Time, start: Instant },
    /// Nanoseconds since the Unix epoch.
    Manual(AtomicU64),
}

impl Clock {
    /// The system's time. It is read once from the wall clock and from then on goes with the monotonic one,
    /// so that it never runs back and never leaps, whatever is done to the wall clock.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock(Source::System { wall: Time::default() + since_epoch, start: Instant::now() })
    }

    /// A clock that stands still at `start` until it is [moved](crate::Shelf::advance).
    pub const fn manual(start: Time) -> Self {
        Clock(Source::Manual(AtomicU64::new(start.as_nanos())))
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::System { wall, start } => *wall + start.elapsed(),
            Source::Manual(nanos) => Time::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }

    /// Moves a manual clock forward to `time`.
    ///
    /// # Panics
    ///
    /// If it is the system's clock: nobody moves that.
    pub(crate) fn set(&self, time: Time) {
        let Source::Manual(nanos) = &self.0 else { panic!("only a manual clock can be moved") };
        nanos.fetch_max(time.as_nanos(), Ordering::SeqCst);
    }
}

/// Sleeps until the earliest deadline of all shards.
///
/// A thread of its own waits on it, not a task: so a shelf can be made outside of any async runtime, and serve
/// several of them. It is woken for an earlier deadline only, which under load is almost never.
#[derive(Debug)]
pub(crate) struct Alarm {
    next: Mutex<Time>,
    changed: Condvar,
}

impl Alarm {
    /// Set to never.
    pub(crate) fn new() -> Self {
        Alarm { next: Mutex::new(Time::MAX), changed: Condvar::new() }
    }

    /// Goes off at `deadline`, if it would not go off before.
    pub(crate) fn set(&self, deadline: Time) {
        let mut next = self.lock();
        if deadline < *next {
            *next = deadline;
            self.changed.notify_one();
        }
    }

    /// Waits until it goes off, and leaves it set to never.
    pub(crate) fn wait(&self, clock: &Clock) {
        let mut next = self.lock();
        loop {
            let left = next.since(clock.now());
            if left.is_zero() {
                *next = Time::MAX;
                return;
            }
            // Bounded, because not every platform can add centuries to its own clock.
            let pause = left.min(Duration::from_secs(24 * 60 * 60));
            next = self.changed.wait_timeout(next, pause).expect("nothing panics under this lock").0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.next.lock().expect("nothing panics under this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_forward_only() {
        let clock = Clock::manual(Time::from_secs(10));
        clock.set(Time::from_secs(12));
        clock.set(Time::from_secs(11));
        assert_eq!(clock.now(), Time::from_secs(12));
    }

    #[test]
    fn the_system_clock_never_runs_back() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(first > Time::from_secs(1_700_000_000));
        assert!(clock.now() >= first);
    }

    #[test]
    fn an_alarm_goes_off_at_the_earliest_deadline_once() {
        let alarm = Alarm::new();
        alarm.set(Time::from_secs(5));
        alarm.set(Time::from_secs(3));
        alarm.set(Time::from_secs(4));
        alarm.wait(&Clock::manual(Time::from_secs(3)));
        assert_eq!(*alarm.lock(), Time::MAX);
    }
}
