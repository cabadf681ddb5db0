//! Asks a process whether it is well, as a container's health check does: without anything that a small image lacks.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long each part of the question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read.
const ANSWER_MAX: u64 = 64 * 1024;

/// Asks, and prints the answer.
pub(super) fn ask(url: &str) -> Result<()> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url:?} is not an http:// address"))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/health/ready"),
    };
    let answer = exchange(host, path).with_context(|| format!("no answer from {url}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    println!("{}", body.trim());
    if status != "200" {
        bail!("{url} answered {status}");
    }
    Ok(())
}

fn exchange(host: &str, path: &str) -> Result<String> {
    let address = host
        .to_socket_addrs()
        .with_context(|| format!("{host:?} is no host with a port"))?
        .next()
        .context("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            // All of it: who hangs up on what is unread takes the answer back.
            let mut question = Vec::new();
            let mut part = [0; 1024];
            while !question.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(read @ 1..) => question.extend_from_slice(&part[..read]),
                    _ => break,
                }
            }
            let _ = stream.write_all(answer.as_bytes());
        });
        format!("http://{address}/health/ready")
    }

    #[test]
    fn a_process_that_is_well_is_told_from_one_that_is_not() {
        assert!(ask(&answering("HTTP/1.1 200 OK\r\n\r\n{}")).is_ok());
        let url = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{}");
        let error = ask(&url).expect_err("it is not well").to_string();
        assert!(error.contains("answered 503"), "{error}");
    }

    #[test]
    fn nobody_there_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = free.local_addr().expect("it listens");
        drop(free);
        let error = ask(&format!("http://{address}")).expect_err("nobody is there");
        assert!(error.to_string().contains("no answer from"), "{error}");
        assert!(ask("ftp://x").is_err());
    }
}
