//! Time as JavaScript tells it: the real one, or one that somebody moves.

use js_sys::Function;
use shelfmq_core::time::Time;
use wasm_bindgen::prelude::*;

/// The longest that a timer may be set for, in milliseconds: more would overflow.
const LONGEST_MS: f64 = 2_147_483_647.0;

#[wasm_bindgen]
extern "C" {
    /// A clock with timers.
    pub type Clock;

    #[wasm_bindgen(method, js_name = now)]
    fn now_ms(this: &Clock) -> f64;

    #[wasm_bindgen(method, js_name = setTimeout)]
    fn set_timeout(this: &Clock, callback: &Function, ms: f64) -> JsValue;

    /// Says whether somebody waits for a timer, so that a process should not end before. A clock may lack it.
    #[wasm_bindgen(method, catch)]
    fn hold(this: &Clock, timer: &JsValue, needed: bool) -> Result<(), JsValue>;

    /// Forgets a timer.
    #[wasm_bindgen(method, js_name = clearTimeout)]
    pub fn clear_timeout(this: &Clock, timer: &JsValue);
}

impl Clock {
    /// What time it is.
    pub(crate) fn now(&self) -> Time {
        time(self.now_ms())
    }

    /// Calls back at this time, or before where that is weeks away.
    pub(crate) fn call_at(&self, at: Time, callback: &Function) -> JsValue {
        let nanos = at.as_nanos().saturating_sub(self.now().as_nanos());
        let ms = nanos.div_ceil(1_000_000) as f64;
        self.set_timeout(callback, ms.min(LONGEST_MS))
    }

    /// Somebody waits for this timer, or nobody does.
    pub(crate) fn is_needed(&self, timer: &JsValue, needed: bool) {
        let _ = self.hold(timer, needed);
    }

    /// Calls back after so many milliseconds.
    pub(crate) fn call_after(&self, ms: f64, callback: &Function) {
        self.set_timeout(callback, ms);
    }
}

/// A time in milliseconds since 1970.
pub(crate) fn time(ms: f64) -> Time {
    // A float has no room for the nanoseconds of today.
    Time::from_nanos((ms as u64).saturating_mul(1_000_000).saturating_add((ms.fract() * 1e6) as u64))
}
