//! A throw-away Apache Kafka: one broker in `KRaft` mode on loopback, from the jars that `scripts/setup-cluster.sh` fetches.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The version of the jars. `scripts/setup-cluster.sh` reads it here.
const VERSION: &str = "4.1.1";

/// How long the broker may take to come up: a JVM on a busy machine.
const START_MAX: Duration = Duration::from_secs(90);
const STOP_MAX: Duration = Duration::from_secs(30);

/// Runs the broker and waits for its own standard input to end, which happens when whoever started it is gone, however: then it
/// kills the broker, and removes its data. The broker's number is its first line.
const SUPERVISOR: &str = r#"
data=$1; log=$2; shift 2
"$@" </dev/null >>"$log" 2>&1 &
broker=$!
echo "$broker"
exec >&-
mode=keep
while read -r line; do mode=$line; done
kill -9 "$broker" 2>/dev/null
wait "$broker" 2>/dev/null
[ "$mode" = leave ] || rm -rf "$data"
"#;

/// A broker that ends with this process.
#[derive(Debug)]
pub struct Kafka {
    broker: Option<Broker>,
    port: u16,
    jars: PathBuf,
    data: TempDir,
}

/// How the broker is stopped before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// By SIGTERM: it finishes what it is at.
    Gently,
    /// By SIGKILL: in the middle of whatever it is at.
    Killed,
}

#[derive(Debug)]
struct Broker {
    supervisor: Child,
    /// As long as this is open, the supervisor leaves the broker alone.
    life: Option<ChildStdin>,
    pid: u32,
}

impl Kafka {
    /// Starts a broker with no data.
    ///
    /// # Errors
    /// Where there is no Java or there are no jars, and where the broker does not come up: with the end of what it said.
    pub fn start() -> Result<Self> {
        let jars = jars()?;
        let mut tries_left = 3;
        loop {
            let mut kafka = Self::prepare(jars.clone())?;
            tries_left -= 1;
            match kafka.launch() {
                // Between our look and the broker's, somebody else took the port.
                Err(error) if tries_left > 0 && is_port_taken(&error) => {}
                launched => return launched.map(|()| kafka),
            }
        }
    }

    fn prepare(jars: PathBuf) -> Result<Self> {
        let data = tempfile::Builder::new()
            .prefix("millwork-kafka-")
            .tempdir()
            .context("could not make a directory for the broker's data")?;
        let [port, controller] = free_ports()?;
        let properties = properties(port, controller, data.path());
        fs::write(data.path().join("server.properties"), properties)
            .context("could not write the broker's properties")?;
        let kafka = Self {
            broker: None,
            port,
            jars,
            data,
        };
        kafka.format()?;
        Ok(kafka)
    }

    /// Where clients find it.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's process.
    ///
    /// # Panics
    /// Where a restart has failed: there is none then.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.broker.as_ref().expect("the last restart failed").pid
    }

    /// Stops the broker, and starts it again on the same data and at the same address.
    ///
    /// # Errors
    /// Where it does not come up again.
    pub fn restart(&mut self, how: Stop) -> Result<()> {
        self.stop(how)?;
        self.launch()
    }

    /// Stops the broker; its data stays. [`Kafka::launch`] starts it again.
    ///
    /// # Errors
    /// Where it does not stop.
    pub fn stop(&mut self, how: Stop) -> Result<()> {
        let Some(mut broker) = self.broker.take() else {
            return Ok(());
        };
        if how == Stop::Gently {
            let number = i32::try_from(broker.pid).ok().and_then(Pid::from_raw);
            let pid = number.context("the broker has no number")?;
            kill_process(pid, Signal::TERM).context("could not stop the broker")?;
            wait_until(STOP_MAX, || {
                Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err())
            })
            .context("the broker does not stop")?;
            // The port closes before the logs do.
            wait_until(STOP_MAX, || Ok(!is_running(broker.pid)))
                .context("the broker does not end")?;
        }
        broker.end(true)
    }

    /// Starts the broker on the data that is there.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn launch(&mut self) -> Result<()> {
        ensure!(self.broker.is_none(), "the broker is running");
        let log = self.log();
        let said = fs::metadata(&log).map_or(0, |file| file.len());
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "kafka-supervisor"])
            .arg(self.data.path())
            .arg(&log)
            .args(self.java("kafka.Kafka"))
            .arg(self.data.path().join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start a shell to run Kafka in")?;
        let life = supervisor.stdin.take();
        let mut line = String::new();
        let said_pid = supervisor
            .stdout
            .take()
            .context("the shell has no output")?;
        BufReader::new(said_pid).read_line(&mut line)?;
        let pid = line
            .trim()
            .parse()
            .context("the shell did not say which process Kafka is")?;
        self.broker = Some(Broker {
            supervisor,
            life,
            pid,
        });
        let port = self.port;
        let came = wait_until(START_MAX, || {
            ensure!(is_running(pid), "Kafka ended");
            // It listens before it serves, and says when it does.
            Ok(tail(&log, said).contains("Kafka Server started")
                && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
        });
        came.with_context(|| {
            format!(
                "Kafka did not come up; it said:\n{}",
                end_of(&tail(&log, said))
            )
        })
    }

    fn format(&self) -> Result<()> {
        let [java, arguments @ ..] = &self.java("kafka.tools.StorageTool")[..] else {
            bail!("there is no command to run Kafka with");
        };
        let output = Command::new(java)
            .args(arguments)
            // Any will do: there is one cluster here.
            .args([
                "format",
                "--cluster-id",
                "bWlsbHdvcmstdGVzdHMhIQ",
                "--standalone",
                "--config",
            ])
            .arg(self.data.path().join("server.properties"))
            .output()
            .context("could not run java: run scripts/setup-cluster.sh")?;
        ensure!(
            output.status.success(),
            "Kafka could not format its data:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn java(&self, class: &str) -> Vec<String> {
        let class_path = format!("{}/*", self.jars.display());
        let java = env::var("JAVA_HOME")
            .map_or_else(|_| "java".to_owned(), |home| format!("{home}/bin/java"));
        let flags = [
            &java,
            "-Xmx512m",
            "-Xms128m",
            // Less to compile and fewer threads: it starts sooner beside everything else on a small machine.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
            "-Dlog4j2.level=INFO",
            "-cp",
            &class_path,
            class,
        ];
        flags.map(str::to_owned).to_vec()
    }

    fn log(&self) -> PathBuf {
        self.data.path().join("kafka.out")
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(mut broker) = self.broker.take()
            && let Err(error) = broker.end(false)
        {
            eprintln!("a Kafka broker was not ended: {error:#}");
        }
    }
}

impl Broker {
    /// Has the supervisor kill the broker, and waits until it is gone.
    fn end(&mut self, keeps_data: bool) -> Result<()> {
        if let Some(mut life) = self.life.take()
            && keeps_data
        {
            life.write_all(b"leave\n")
                .context("the broker's supervisor is gone")?;
        }
        self.supervisor
            .wait()
            .context("could not wait for the broker's supervisor")?;
        Ok(())
    }
}

/// The folder with the jars.
fn jars() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("there is no HOME")?).join(".cache"),
    };
    let jars = cache.join("millwork").join(format!("kafka-{VERSION}"));
    // The script makes this last.
    ensure!(
        jars.join("complete").exists(),
        "there is no Apache Kafka {VERSION} in {}: run scripts/setup-cluster.sh",
        jars.display()
    );
    Ok(jars)
}

/// Two ports that nobody has.
fn free_ports() -> Result<[u16; 2]> {
    let bind =
        || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port on loopback");
    // Both are held at once, so that they differ.
    let (one, other) = (bind()?, bind()?);
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("Address already in use")
}

fn properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}/logs
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
",
        data = data.display()
    )
}

fn wait_until(bound: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(
            start.elapsed() < bound,
            "gave up after {} s",
            bound.as_secs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A process that has ended and that nobody has waited for is a zombie, and runs no more.
fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .starts_with(" Z")
    })
}

/// What a log says from a position on.
fn tail(log: &Path, from: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines, without the hundreds that list the configuration.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('\t') || line.starts_with("\tat "))
        .collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

#[cfg(test)]
mod tests;
