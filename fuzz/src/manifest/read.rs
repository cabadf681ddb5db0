//! Reads a made-up manifest as the guest reads it.

use millwork_plugin::made_up::{Action, ActionTraits, Ask, Example, Manifest};

/// Bytes that are read from the front; nought where there are none left.
pub(super) struct Told<'a>(pub(super) &'a [u8]);

impl Told<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    fn text(&mut self) -> String {
        let times = [1, 1, 1, 1, 2, 16, 256, 4_096][usize::from(self.byte() & 7)];
        let length = usize::from(self.byte()) | usize::from(self.byte()) << 8;
        let (said, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(&said.repeat(times)).into_owned()
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() & 1 == 1).then(|| read(self))
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> T) -> Vec<T> {
        let times = [0, 1, 1, 2, 3, 5, 300, 3_000][usize::from(self.byte() & 7)];
        (0..times).map(|_| read(self)).collect()
    }

    fn pairs(&mut self) -> Vec<(String, String)> {
        self.list(|told| (told.text(), told.text()))
    }
}

pub(super) fn manifest(told: &mut Told<'_>) -> Manifest {
    Manifest {
        name: told.text(),
        version: told.text(),
        description: told.text(),
        actions: told.list(action),
        asks: told.list(|told| match told.byte() & 3 {
            0 => Ask::Kv,
            1 => Ask::Secret(told.text()),
            _ => Ask::Http(told.text()),
        }),
        annotations: told.pairs(),
    }
}

fn action(told: &mut Told<'_>) -> Action {
    Action {
        name: told.text(),
        title: told.text(),
        description: told.text(),
        config_schema: told.text(),
        output_schema: told.text(),
        examples: told.list(|told| Example {
            title: told.text(),
            config: told.text(),
        }),
        traits: match told.byte() & 1 {
            0 => ActionTraits::READ_ONLY,
            _ => ActionTraits::DESTRUCTIVE | ActionTraits::IDEMPOTENT,
        },
        timeout: told.maybe(Told::number),
        max_attempts: told.maybe(|told| told.byte().into()),
        annotations: told.pairs(),
    }
}
