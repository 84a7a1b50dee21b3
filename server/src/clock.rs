//! The time that the core is told, and the thread that tells it when time has passed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use shelfmq_core::time::Time;

/// Where a [`Shelf`](crate::Shelf) takes the time from.
#[derive(Debug)]
pub struct Clock(Source);

#[derive(Debug)]
enum Source {
    /// The wall clock, as far as it was [stepped](crate::Shelf::step_clock), in nanoseconds.
    System { stepped: AtomicI64 },
    /// Nanoseconds since the Unix epoch.
    Manual(AtomicU64),
}

impl Clock {
    /// The system's time, as the wall clock has it by now: it may be set, forward and back, and the machine may have slept.
    /// The engines [live with that](shelfmq_core::Engine::hold_retention), once they are told.
    pub const fn system() -> Self {
        Clock(Source::System { stepped: AtomicI64::new(0) })
    }

    /// A clock that stands still at `start` until it is [moved](crate::Shelf::advance).
    pub const fn manual(start: Time) -> Self {
        Clock(Source::Manual(AtomicU64::new(start.as_nanos())))
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::System { stepped } => {
                let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
                Time::from_nanos(nanos.saturating_add_signed(stepped.load(Ordering::Relaxed)))
            }
            Source::Manual(nanos) => Time::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }

    /// The system's clock is as if somebody had set it by so many nanoseconds; a manual one stands where it is.
    pub(crate) fn step(&self, by: i64) {
        if let Source::System { stepped } = &self.0 {
            stepped.fetch_add(by, Ordering::Relaxed);
        }
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

/// How often it is looked whether the wall clock was set: nobody tells.
const LOOK: Duration = Duration::from_secs(1);
/// A wall clock that is ahead by more than this, by the monotonic one, may be wrong; one that fell back by more than five
/// seconds is followed by the engines.
const LEAP: Duration = Duration::from_secs(60 * 60);
const FALL: Duration = Duration::from_secs(5);

/// Why an [`Alarm`] went off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A deadline has come.
    Due,
    /// The clock was set back: deadlines that it set before are wrong.
    WentBack,
    /// The clock was set forward by much, or the machine slept.
    Leapt,
}

/// Tells by the monotonic clock whether the wall clock was set.
#[derive(Debug)]
pub(crate) struct Watch {
    wall: Time,
    at: Instant,
}

impl Watch {
    pub(crate) fn new(clock: &Clock) -> Self {
        Watch { wall: clock.now(), at: Instant::now() }
    }

    /// Whether the clock was set since the last look.
    fn look(&mut self, clock: &Clock) -> Option<Woken> {
        let Watch { wall, at } = core::mem::replace(self, Watch::new(clock));
        let expected = wall + self.at.duration_since(at);
        if clock.is_manual() {
            None
        } else if expected.since(self.wall) > FALL {
            Some(Woken::WentBack)
        } else {
            (self.wall.since(expected) > LEAP).then_some(Woken::Leapt)
        }
    }
}

/// Sleeps until the earliest deadline of all shards, or until the clock was set.
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

    /// Waits until it goes off, and leaves it set to never; or until the clock was set.
    pub(crate) fn wait(&self, clock: &Clock, watch: &mut Watch) -> Woken {
        let mut next = self.lock();
        loop {
            if let Some(woken) = watch.look(clock) {
                return woken;
            }
            let left = next.since(clock.now());
            if left.is_zero() {
                *next = Time::MAX;
                return Woken::Due;
            }
            next = self.changed.wait_timeout(next, left.min(LOOK)).expect("nothing panics under this lock").0;
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
    fn it_is_noticed_that_the_system_clock_was_set() {
        let clock = Clock::system();
        assert!(clock.now() > Time::from_secs(1_700_000_000));
        let mut watch = Watch::new(&clock);
        assert_eq!(watch.look(&clock), None);
        let hours = 3_600_000_000_000;
        for (by, woken) in [(-2 * hours, Woken::WentBack), (2 * hours, Woken::Leapt)] {
            clock.step(by);
            assert_eq!(watch.look(&clock), Some(woken));
            assert_eq!(watch.look(&clock), None);
        }
    }

    #[test]
    fn an_alarm_goes_off_at_the_earliest_deadline_once() {
        let alarm = Alarm::new();
        alarm.set(Time::from_secs(5));
        alarm.set(Time::from_secs(3));
        alarm.set(Time::from_secs(4));
        let clock = Clock::manual(Time::from_secs(3));
        assert_eq!(alarm.wait(&clock, &mut Watch::new(&clock)), Woken::Due);
        assert_eq!(*alarm.lock(), Time::MAX);
    }
}
