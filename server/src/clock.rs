//! The time that the core is told, and the thread that tells it when time has passed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use shelfmq_core::time::Time;

/// Where a [`Shelf`](crate::Shelf) takes the time from.
#[derive(Debug)]
pub struct Clock(Source);

#[derive(Debug)]
enum Source {
    /// The wall clock, as far as it was [stepped](crate::Shelf::step_clock), in nanoseconds; or, while that is behind, the
    /// time that was known when the broker started, and what has passed since.
    System { stepped: AtomicI64, known: OnceLock<(Time, Instant)> },
    /// Nanoseconds since the Unix epoch.
    Manual(AtomicU64),
}

impl Clock {
    /// The system's time, as the wall clock has it by now: it may be set, forward and back, and the machine may have slept.
    /// The engines [live with that](shelfmq_core::Engine::hold_retention), once they are told.
    pub const fn system() -> Self {
        Clock(Source::System { stepped: AtomicI64::new(0), known: OnceLock::new() })
    }

    /// A clock that stands still at `start` until it is [moved](crate::Shelf::advance).
    pub const fn manual(start: Time) -> Self {
        Clock(Source::Manual(AtomicU64::new(start.as_nanos())))
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::System { stepped, known } => {
                let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
                let wall = Time::from_nanos(nanos.saturating_add_signed(stepped.load(Ordering::Relaxed)));
                known.get().map_or(wall, |(time, at)| wall.max(*time + at.elapsed()))
            }
            Source::Manual(nanos) => Time::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }

    /// Begins, where it was this time already as far as that is known, and somebody may have said that the clock is right. Where
    /// the system's clock is behind, time goes on from there until the clock is past it.
    pub(crate) fn begin(&self, known: Option<Time>, is_trusted: bool) -> Watch {
        if let Some(time) = known {
            let behind = time.since(self.now());
            if behind > FALL && !self.is_manual() {
                let seconds = behind.as_secs();
                tracing::warn!(
                    "the clock is {seconds} s behind what the broker knew last: its time goes on from there until the clock is \
                     past it"
                );
            }
            self.go_on_from(time);
        }
        Watch::new(self, known, is_trusted)
    }

    fn go_on_from(&self, time: Time) {
        if let Source::System { known, .. } = &self.0
            && time > self.now()
        {
            // It begins once.
            let _ = known.set((time, Instant::now()));
        }
    }

    /// The system's clock is as if somebody had set it by so many nanoseconds; a manual one stands where it is.
    pub(crate) fn step(&self, by: i64) {
        if let Source::System { stepped, .. } = &self.0 {
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
/// What is further ahead of what was known is in doubt until somebody says that it is right.
const FAR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// While it is, retention is held so often again: sooner than it would be let go by itself.
const HOLD: Duration = Duration::from_secs(20 * 60);
/// How often it is noted what time it is.
const NOTE: Duration = Duration::from_secs(60);

/// Why an [`Alarm`] went off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A deadline has come.
    Due,
    /// The clock was set back: deadlines that it set before are wrong.
    WentBack,
    /// The clock was set forward by much, or the machine slept.
    Leapt,
    /// The clock is in doubt, still: nothing that is retained is to go.
    Doubted,
    /// It is time to note what time it is.
    Note,
}

/// Tells by the monotonic clock whether the wall clock was set, and whether that is to be believed.
#[derive(Debug)]
pub(crate) struct Watch {
    wall: Time,
    at: Instant,
    /// The last time that was not in doubt, while the clock is.
    sure: Option<Time>,
    /// Somebody said that the clock is right.
    is_trusted: bool,
    held: Instant,
    noted: Instant,
}

impl Watch {
    /// Begins to watch this clock. `known` is what time it was at the least, as far as that is known.
    fn new(clock: &Clock, known: Option<Time>, is_trusted: bool) -> Self {
        let (wall, at) = (clock.now(), Instant::now());
        let mut watch = Watch { wall, at, sure: None, is_trusted, held: at, noted: at };
        watch.doubt_from(known.unwrap_or(wall));
        watch
    }

    /// Doubts the clock where it is far ahead of this time.
    fn doubt_from(&mut self, known: Time) {
        if !self.is_trusted && self.sure.is_none() && self.wall.since(known) > FAR {
            let days = self.wall.since(known).as_secs() / (24 * 60 * 60);
            tracing::error!(
                "the clock is {days} days ahead of what the broker knew last: nothing that topics retain is deleted for its \
                 age until the clock is set, or the broker is started with --trust-clock, which says that it is right"
            );
            self.sure = Some(known);
        }
    }

    /// The last time that was not in doubt, while the clock is.
    pub(crate) fn doubted_since(&self) -> Option<Time> {
        self.sure
    }

    /// Whether the clock was set since the last look, and what else is to be done.
    fn look(&mut self, clock: &Clock) -> Option<Woken> {
        if clock.is_manual() {
            return None;
        }
        let expected = self.wall + self.at.elapsed();
        (self.wall, self.at) = (clock.now(), Instant::now());
        if self.sure.is_some_and(|sure| self.wall.since(sure) <= FAR) {
            tracing::info!("the clock is not in doubt any more");
            self.sure = None;
        }
        if expected.since(self.wall) > FALL {
            return Some(Woken::WentBack);
        }
        if self.wall.since(expected) > LEAP {
            self.doubt_from(expected);
            return Some(Woken::Leapt);
        }
        if self.sure.is_some() && self.at.duration_since(self.held) >= HOLD {
            self.held = self.at;
            return Some(Woken::Doubted);
        }
        let is_due = self.at.duration_since(self.noted) >= NOTE;
        is_due.then(|| {
            self.noted = self.at;
            Woken::Note
        })
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
        let mut watch = Watch::new(&clock, None, false);
        assert_eq!(watch.look(&clock), None);
        let hours = 3_600_000_000_000;
        for (by, woken) in [(-2 * hours, Woken::WentBack), (2 * hours, Woken::Leapt)] {
            clock.step(by);
            assert_eq!(watch.look(&clock), Some(woken));
            assert_eq!(watch.look(&clock), None);
        }
    }

    const DAY: i64 = 24 * 3_600_000_000_000;

    #[test]
    fn a_clock_that_is_far_ahead_is_doubted_until_it_is_set_or_trusted() {
        let clock = Clock::system();
        let known = clock.now();
        clock.step(31 * DAY);
        assert!(Watch::new(&clock, Some(known), true).sure.is_none());
        let mut watch = Watch::new(&clock, Some(known), false);
        assert_eq!((watch.doubted_since(), watch.look(&clock)), (Some(known), None));
        clock.step(-31 * DAY);
        assert_eq!((watch.look(&clock), watch.doubted_since()), (Some(Woken::WentBack), None));
        // While it runs, too.
        clock.step(31 * DAY);
        assert_eq!(watch.look(&clock), Some(Woken::Leapt));
        assert!(watch.doubted_since().is_some_and(|sure| clock.now().since(sure) > FAR));
    }

    #[test]
    fn time_goes_on_from_what_was_known_until_the_clock_is_past_it() {
        let clock = Clock::system();
        let known = clock.now() + Duration::from_secs(3600);
        clock.go_on_from(known);
        let now = clock.now();
        assert!(now >= known && now < known + Duration::from_secs(600));
        let mut watch = Watch::new(&clock, Some(known), false);
        clock.step(-DAY);
        assert_eq!(watch.look(&clock), None, "it is behind all the same");
        clock.step(3 * DAY);
        assert_eq!(watch.look(&clock), Some(Woken::Leapt));
        assert!(clock.now() > known + Duration::from_secs(24 * 60 * 60));
    }

    #[test]
    fn an_alarm_goes_off_at_the_earliest_deadline_once() {
        let alarm = Alarm::new();
        alarm.set(Time::from_secs(5));
        alarm.set(Time::from_secs(3));
        alarm.set(Time::from_secs(4));
        let clock = Clock::manual(Time::from_secs(3));
        assert_eq!(alarm.wait(&clock, &mut Watch::new(&clock, None, false)), Woken::Due);
        assert_eq!(*alarm.lock(), Time::MAX);
    }
}
