//! The fake's side of the seam: the functions that the crate's modules call.

use super::world::{self, LogLine};
use crate::http::{self, Request, Response};
use crate::kv::{self, Entry, Expected};
use crate::log::Level;
use crate::secrets;

pub(crate) fn now() -> u64 {
    world::current().borrow().now.as_micros()
}

/// Not random at all, so that a test sees the same bytes every time.
pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    let world = world::current();
    let mut world = world.borrow_mut();
    let mut bytes = Vec::new();
    for _ in 0..count {
        // A linear congruential generator; its high bits are the better ones.
        world.random = world
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.push(world.random.to_be_bytes()[0]);
    }
    bytes
}

pub(crate) fn log_write(level: Level, message: &str, fields: &[(String, String)]) {
    let line = LogLine {
        level,
        message: message.to_owned(),
        fields: fields.to_vec(),
    };
    world::current().borrow_mut().log.push(line);
}

pub(crate) fn http_send(request: Request) -> Result<Response, http::Error> {
    let world = world::current();
    let request = with_secrets(request, &world.borrow().secrets);
    if let Some(reason) = world.borrow().http_refusal(request.url()) {
        return Err(http::Error::Denied(reason));
    }
    world.borrow_mut().requests.push(request.clone());
    let scripted = world.borrow_mut().replies.pop_front();
    if let Some(reply) = scripted {
        return reply.map(|reply| reply.to(&request));
    }
    // Taken out while it runs, since it may look at its host.
    let server = world.borrow_mut().server.take();
    let Some(mut server) = server else {
        panic!(
            "no reply is scripted for {} {}: add one with `Host::reply`",
            request.method(),
            request.url()
        );
    };
    let reply = server(&request);
    world.borrow_mut().server.get_or_insert(server);
    reply.map(|reply| reply.to(&request))
}

/// What stands for a secret in a request.
fn placeholder(name: &str) -> String {
    format!("millwork-secret({name})")
}

/// A request with the secrets in their places, as the other side would see it.
fn with_secrets(
    mut request: Request,
    secrets: &std::collections::BTreeMap<String, String>,
) -> Request {
    for (name, value) in secrets {
        let placeholder = placeholder(name);
        request.url = request.url.replace(&placeholder, value);
        for (_, text) in &mut request.headers {
            *text = text.replace(&placeholder, value);
        }
        if let Some(Ok(text)) = request.body.as_ref().map(|body| std::str::from_utf8(body)) {
            request.body = Some(text.replace(&placeholder, value).into_bytes());
        }
    }
    request
}

pub(crate) fn secret_placeholder(name: &str) -> Result<String, secrets::Error> {
    find_secret(name).map(|_| placeholder(name))
}

pub(crate) fn secret_reveal(name: &str) -> Result<String, secrets::Error> {
    let value = find_secret(name)?;
    world::current().borrow_mut().revealed.push(name.to_owned());
    Ok(value)
}

fn find_secret(name: &str) -> Result<String, secrets::Error> {
    let world = world::current();
    let world = world.borrow();
    if let Some(reason) = world.secret_refusal(name) {
        return Err(secrets::Error::Denied(reason));
    }
    let unknown = || {
        secrets::Error::Denied(format!(
            "unknown secret \"{name}\": add it with `Host::secret`"
        ))
    };
    world.secrets.get(name).cloned().ok_or_else(unknown)
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Entry>, kv::Error> {
    let world = world::current();
    let world = world.borrow();
    if let Some(reason) = world.kv_refusal() {
        return Err(kv::Error::Denied(reason));
    }
    Ok(world.kept.get(key).cloned())
}

pub(crate) fn kv_set(key: &str, value: &[u8], expected: Expected) -> Result<u64, kv::Error> {
    expect(key, expected)?;
    let world = world::current();
    let mut world = world.borrow_mut();
    world.version_last += 1;
    let version = world.version_last;
    world.kept.insert(
        key.to_owned(),
        Entry {
            value: value.to_vec(),
            version,
        },
    );
    Ok(version)
}

pub(crate) fn kv_delete(key: &str, expected: Expected) -> Result<(), kv::Error> {
    expect(key, expected)?;
    world::current().borrow_mut().kept.remove(key);
    Ok(())
}

fn expect(key: &str, expected: Expected) -> Result<(), kv::Error> {
    let found = kv_get(key)?.map(|entry| entry.version);
    let holds = match expected {
        Expected::Any => true,
        Expected::Absent => found.is_none(),
        Expected::Version(version) => found == Some(version),
    };
    if holds {
        Ok(())
    } else {
        Err(kv::Error::Conflict(found))
    }
}
