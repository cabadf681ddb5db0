//! Random bytes fit for keys.

/// What the host gives in one call.
const CALL_MAX_BYTES: usize = 64 * 1024;

/// As many random bytes.
pub fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    fill(&mut bytes);
    bytes
}

/// Fills a buffer with random bytes.
pub fn fill(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(CALL_MAX_BYTES) {
        let count = u32::try_from(chunk.len()).expect("a chunk is at most 64 KiB");
        chunk.copy_from_slice(&crate::host::random_bytes(count));
    }
}

/// A random number over the whole range.
pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
