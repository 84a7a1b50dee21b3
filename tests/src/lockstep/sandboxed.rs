//! The side that is the component.

use super::verbs::{Input, Side, Told};
use crate::component::Sandbox;
use crate::model::Nanos;

impl Side for Sandbox {
    /// # Panics
    /// Where the component traps.
    fn tell(&mut self, now: Nanos, input: &Input) -> Told {
        let told = self.call(|engine, store| {
            let mut told = Told::default();
            told.outputs = match input {
                Input::Start(seed, log) => {
                    let config = super::run::config();
                    engine.call_start(&mut *store, &crate::component::told(&config), *seed, *log)?.expect("no options");
                    Vec::new()
                }
                Input::Handle(ticket, request) => {
                    if request.body.len() as u64 > engine.call_body_limit(&mut *store, &request.path)? {
                        told.refused = Some(engine.call_body_too_big(&mut *store, &request.path)?);
                        Vec::new()
                    } else {
                        engine.call_handle(&mut *store, now, *ticket, request)?
                    }
                }
                Input::Timeout => engine.call_handle_timeout(&mut *store, now)?,
                Input::Writable(ticket) => engine.call_handle_writable(&mut *store, now, *ticket)?,
                Input::Cancel(ticket) => engine.call_cancel(&mut *store, now, *ticket)?,
                Input::Shutdown => engine.call_shutdown(&mut *store, now)?,
                Input::PollLog => {
                    told.work = engine.call_poll_log(&mut *store)?;
                    Vec::new()
                }
                Input::Appended(log, upto) => engine.call_handle_appended(&mut *store, now, *log, *upto)?,
                Input::AppendFailed(log) => engine.call_handle_append_failed(&mut *store, now, *log)?,
                Input::Deleted(log) => engine.call_handle_deleted(&mut *store, now, *log)?,
                Input::Read(read, part) => engine.call_handle_read(&mut *store, now, read, part.as_ref())?,
                Input::Space(is_full) => engine.call_handle_space(&mut *store, *is_full).map(|()| Vec::new())?,
                Input::Unwell(why) => engine.call_set_unwell(&mut *store, why.as_deref()).map(|()| Vec::new())?,
                Input::Open(topic, segments, is_whole) => {
                    told.opened = Some(engine.call_open_topic(&mut *store, now, topic, segments, *is_whole)?);
                    Vec::new()
                }
            };
            told.deadline = engine.call_poll_timeout(&mut *store)?;
            told.is_settled = engine.call_is_settled(&mut *store)?;
            Ok(told)
        });
        told.unwrap_or_else(|error| panic!("{input:?}: {error:#}"))
    }
}
