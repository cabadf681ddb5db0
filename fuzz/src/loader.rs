//! Made-up files: arbitrary bytes, and real components that were cut, flipped, shuffled and spliced.

use fastrand::Rng;
use millwork_plugin::{Origin, Plugins, Refusal, Unfit};

use crate::corpus;

/// Makes a file, and has it loaded as the plugins folder would.
pub(crate) async fn try_one(plugins: &Plugins, rng: &mut Rng) -> anyhow::Result<String> {
    let wasm = make(rng);
    let loaded = plugins
        .load_bytes(bytes::Bytes::from(wasm), Origin::Installed)
        .await;
    Ok(match loaded {
        Ok(_) => "accepted".to_owned(),
        Err(refusal) => word(&refusal).to_owned(),
    })
}

/// Why a file was refused, in a word.
pub(crate) fn word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Read(_) => "refused: not read",
        Refusal::TooLarge { .. } => "refused: too large",
        Refusal::Unfit(Unfit::NotWasm(_)) => "refused: not WebAssembly",
        Refusal::Unfit(Unfit::CoreModule) => "refused: a core module",
        Refusal::Unfit(Unfit::Damaged(_)) => "refused: damaged",
        Refusal::Unfit(Unfit::NoConnector(_)) => "refused: no connector",
        Refusal::Unfit(Unfit::Versions(_)) => "refused: other imports",
        Refusal::Compile(_) => "refused: does not compile",
        Refusal::Link(_) => "refused: does not fit this host",
        Refusal::Describe(_) => "refused: cannot say what it is",
        Refusal::Manifest(_) => "refused: its manifest does not hold",
        Refusal::Untrusted(_) => "refused: not trusted",
        Refusal::Keep(_) => "refused: not kept",
        Refusal::Digest { .. } => "refused: another digest",
    }
}

const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

fn make(rng: &mut Rng) -> Vec<u8> {
    let corpus = corpus::all();
    let mut wasm = corpus[rng.usize(..corpus.len())].to_vec();
    match rng.u8(..10) {
        0 => return noise(rng, 4_096),
        1 => return [&COMPONENT[..], &noise(rng, 4_096)].concat(),
        2 => wasm.truncate(rng.usize(..wasm.len())),
        3 | 4 => flip(rng, &mut wasm, 0..usize::MAX),
        // Where the types, imports and exports stand.
        5 => flip(rng, &mut wasm, 0..8_192),
        6 => {
            let end = wasm.len();
            flip(rng, &mut wasm, end.saturating_sub(8_192)..end);
        }
        7 => shuffle(rng, &mut wasm),
        8 => numbers(rng, &mut wasm),
        _ => {
            let other = corpus[rng.usize(..corpus.len())];
            wasm.truncate(rng.usize(..wasm.len()));
            wasm.extend_from_slice(&other[rng.usize(..other.len())..]);
        }
    }
    wasm
}

fn noise(rng: &mut Rng, max: usize) -> Vec<u8> {
    let length = rng.usize(..max);
    (0..length).map(|_| rng.u8(..)).collect()
}

/// A few bits, or many.
fn flip(rng: &mut Rng, wasm: &mut [u8], place: std::ops::Range<usize>) {
    let place = place.start..place.end.min(wasm.len());
    let times = 1_usize << rng.u32(..7);
    for _ in 0..rng.usize(1..=times) {
        wasm[rng.usize(place.clone())] ^= 1 << rng.u32(..8);
    }
}

/// Takes pieces out, doubles them, or puts them elsewhere.
fn shuffle(rng: &mut Rng, wasm: &mut Vec<u8>) {
    for _ in 0..rng.usize(1..=4) {
        let start = rng.usize(..wasm.len());
        let end = (start + rng.usize(1..=2_048)).min(wasm.len());
        let piece: Vec<u8> = match rng.bool() {
            true => wasm.drain(start..end).collect(),
            false => wasm[start..end].to_vec(),
        };
        if wasm.is_empty() || rng.bool() {
            continue;
        }
        let at = rng.usize(..wasm.len());
        wasm.splice(at..at, piece);
    }
}

/// Puts numbers that are awkward where others stood.
fn numbers(rng: &mut Rng, wasm: &mut [u8]) {
    const AWKWARD: [&[u8]; 6] = [
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x80, 0x80, 0x80, 0x80, 0x08],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x7f],
        &[0x80, 0x80, 0x80, 0x80, 0x80],
        &[0, 0, 0, 0],
    ];
    for _ in 0..rng.usize(1..=8) {
        let number = AWKWARD[rng.usize(..AWKWARD.len())];
        let at = rng.usize(..wasm.len() - number.len());
        wasm[at..at + number.len()].copy_from_slice(number);
    }
}
