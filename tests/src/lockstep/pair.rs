//! Both sides, told the same.

use super::native::Native;
use super::verbs::{Input, Side, Told};
use crate::component::Sandbox;
use crate::model::Nanos;

/// Has the native side be otherwise, to see whether that is noticed.
#[derive(Clone, Copy)]
pub enum Tamper<'a> {
    /// Changes what it says.
    Says(&'a dyn Fn(&mut Told)),
    /// Changes what it is told.
    IsTold(&'a dyn Fn(&mut Input)),
}

/// The two.
pub(super) struct Pair<'a> {
    native: Native,
    sandbox: Sandbox,
    tamper: Option<Tamper<'a>>,
    /// How many bytes of what they said were the same.
    pub(super) bytes: u64,
}

impl<'a> Pair<'a> {
    /// # Panics
    /// Where there is no sandbox to be had.
    pub(super) fn new(tamper: Option<Tamper<'a>>) -> Self {
        let sandbox = Sandbox::start(&super::run::config(), 0, None).expect("the component starts");
        Pair { native: Native::new(), sandbox, tamper, bytes: 0 }
    }

    /// Tells both of something; what both say.
    ///
    /// # Errors
    /// They do not say the same.
    pub(super) fn tell(&mut self, now: Nanos, input: &Input) -> Result<Told, String> {
        let native = match self.tamper {
            None => self.native.tell(now, input),
            Some(Tamper::Says(change)) => {
                let mut told = self.native.tell(now, input);
                change(&mut told);
                told
            }
            Some(Tamper::IsTold(change)) => {
                let mut input = input.clone();
                change(&mut input);
                self.native.tell(now, &input)
            }
        };
        let sandboxed = self.sandbox.tell(now, input);
        if native == sandboxed {
            self.bytes += sandboxed.bytes();
            return Ok(sandboxed);
        }
        let (native, sandboxed) = (format!("{native:?}"), format!("{sandboxed:?}"));
        let same = native.bytes().zip(sandboxed.bytes()).take_while(|(a, b)| a == b).count();
        let part = |text: &str| {
            let bytes = &text.as_bytes()[same.saturating_sub(300)..text.len().min(same + 300)];
            String::from_utf8_lossy(bytes).into_owned()
        };
        let input: String = format!("{input:?}").chars().take(600).collect();
        Err(format!("at {now}, told {input}\n  native: …{}…\n  in wasm: …{}…", part(&native), part(&sandboxed)))
    }
}
