//! A closure that uses `?` has to name its result: `|line| -> slotcast::HandlerResult { .. }`.

use slotcast::{HandlerResult, Signal};

pub fn done(it: ()) -> HandlerResult {
    Ok(it)
}

fn main() {
    let _sub = Signal::<String>::new().on(|line| {
        let _number: i32 = line.parse()?;
        Ok(())
    });
}
