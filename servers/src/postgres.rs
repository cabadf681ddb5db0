//! A throw-away PostgreSQL: Debian's binaries, a cluster of its own on loopback, gone with whoever started it.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// The superuser of the cluster. It has no password: only this machine can reach it.
const USER: &str = "postgres";

/// Starts the server, and stops it when its standard input ends: when whoever started it has died, however that came.
/// `$1` is the server's binary, `$2` the data folder, `$3` the port; settings follow.
const SUPERVISOR: &str = r#"
server=$1 data=$2 port=$3; shift 3
"$server" -D "$data" -p "$port" -k "$data" -h 127.0.0.1 "$@" </dev/null >>"$data/log" 2>&1 &
pid=$!
while read -r signal; do kill -s "$signal" $pid 2>/dev/null; done
kill -s QUIT $pid 2>/dev/null
wait $pid
"#;

/// How a server writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in earnest: what was committed is on the disk.
    Durable,
    /// Without waiting for the disk: for tests that do not end the server.
    Fast,
}

/// How a server is stopped before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Open transactions are rolled back.
    Fast,
    /// At once, without tidying up: the next start recovers, as after a crash.
    Immediate,
}

/// A PostgreSQL of one's own. Stopped, and its data removed, when dropped.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    // Before the data: the server ends first.
    supervisor: Option<Child>,
    home: TempDir,
    port: u16,
    durability: Durability,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// Where PostgreSQL is not installed, or does not start; the error says which.
    pub fn start(durability: Durability) -> Result<Self> {
        let binaries = find_binaries()?;
        let home = tempfile::Builder::new()
            .prefix("millwork-postgres-")
            .tempdir()
            .context("could not make a folder for PostgreSQL")?;
        let mut server = Self {
            binaries,
            supervisor: None,
            home,
            port: free_port()?,
            durability,
        };
        server.make_cluster()?;
        server.launch()?;
        Ok(server)
    }

    /// Where a database of it is.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database, or a copy of one to which nobody is connected.
    ///
    /// # Errors
    /// Where it is there already, or the server does not answer.
    pub fn create_database(&self, name: &str, template: Option<&str>) -> Result<()> {
        let mut command = self.client("createdb");
        if let Some(template) = template {
            command.args(["--template", template]);
        }
        let output = command
            .arg(name)
            .output()
            .context("could not run createdb")?;
        ensure!(
            output.status.success(),
            "could not create the database {name}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// Runs statements, and returns what they print, a row a line and columns separated by tabs.
    ///
    /// # Errors
    /// What the server says.
    pub fn query(&self, database: &str, sql: &str) -> Result<String> {
        let output = self
            .client("psql")
            .args([
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--field-separator=\t",
            ])
            .args([
                "--set=ON_ERROR_STOP=1",
                "--dbname",
                database,
                "--command",
                sql,
            ])
            .output()
            .context("could not run psql")?;
        ensure!(
            output.status.success(),
            "PostgreSQL refused {sql:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    }

    /// Stops the server and starts it again on its data.
    ///
    /// # Errors
    /// Where it does not come back.
    pub fn restart(&mut self, stop: Stop) -> Result<()> {
        self.stop(stop)?;
        self.launch()
    }

    /// Stops the server; [`Self::launch`] starts it again.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn stop(&mut self, stop: Stop) -> Result<()> {
        let Some(mut supervisor) = self.supervisor.take() else {
            return Ok(());
        };
        let signal = match stop {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        if let Some(input) = &mut supervisor.stdin {
            writeln!(input, "{signal}").context("the supervisor has ended")?;
        }
        // The server ends at its own pace; only then may the supervisor see the end of its input, which means QUIT.
        let deadline = Instant::now() + PATIENCE;
        while self.data().join("postmaster.pid").exists() {
            ensure!(
                Instant::now() < deadline,
                "PostgreSQL did not end; its log: {}",
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(supervisor.stdin.take());
        supervisor.wait().context("could not wait for PostgreSQL")?;
        Ok(())
    }

    /// Starts the server on its data.
    ///
    /// # Errors
    /// Where it does not answer in time; with the end of its log.
    pub fn launch(&mut self) -> Result<()> {
        let mut command = as_user("sh");
        command
            .args(["-c", SUPERVISOR, "postgres-supervisor"])
            .arg(self.binaries.join("postgres"))
            .arg(self.data())
            .arg(self.port.to_string())
            .args([
                "-c",
                "max_connections=200",
                "-c",
                "log_min_messages=warning",
            ]);
        if self.durability == Durability::Fast {
            command.args([
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
                "-c",
                "full_page_writes=off",
            ]);
        }
        let supervisor = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("could not start PostgreSQL")?;
        self.supervisor = Some(supervisor);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = self.client("pg_isready").arg("--quiet").status();
            if asked.context("could not run pg_isready")?.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "PostgreSQL did not start within {PATIENCE:?}; its log ends with:\n{}",
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn make_cluster(&self) -> Result<()> {
        // The server's user has to get through to its data.
        let open = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(self.home.path(), open(0o777))?;
        let output = as_user(self.binaries.join("initdb"))
            .args([
                "--username",
                USER,
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
            ])
            .arg("--pgdata")
            .arg(self.data())
            .output()
            .context("could not run initdb")?;
        ensure!(
            output.status.success(),
            "could not make a PostgreSQL cluster: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// A program that talks to the server.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command
            .args(["--host", "127.0.0.1", "--username", USER])
            .arg("--port")
            .arg(self.port.to_string())
            .env_remove("PGPASSWORD");
        command
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.data().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            let _ = supervisor.wait();
        }
    }
}

/// The newest PostgreSQL that Debian's package has installed, or the one in the path.
fn find_binaries() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, binaries)| binaries.join("initdb").is_file())
        .collect();
    found.sort();
    if let Some((_, binaries)) = found.pop() {
        return Ok(binaries);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").is_file())
        .context("PostgreSQL's initdb is neither in /usr/lib/postgresql nor in the path: run scripts/setup-tests.sh, which installs it")
}

/// A command as a user under which PostgreSQL runs: it refuses to be root.
fn as_user(program: impl AsRef<Path>) -> Command {
    if rustix::process::getuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "--",
            ])
            .arg(program.as_ref());
        command
    } else {
        Command::new(program.as_ref())
    }
}

/// A port that nobody listens on, outside the range that the system gives out by itself.
fn free_port() -> Result<u16> {
    std::iter::repeat_with(|| fastrand::u16(12_000..32_000))
        .take(200)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("found no free port in 200 tries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_what_was_committed_over_a_crash_of_its_own() {
        let mut server = Postgres::start(Durability::Durable).expect("it starts");
        server.create_database("one", None).expect("it is made");
        server
            .query("one", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
            .expect("it is written");
        server.restart(Stop::Immediate).expect("it comes back");
        assert_eq!(
            server.query("one", "SELECT n FROM t").expect("it is read"),
            "7"
        );
        server.restart(Stop::Fast).expect("it comes back");
        server
            .create_database("two", Some("one"))
            .expect("it is copied");
        assert_eq!(
            server.query("two", "SELECT n FROM t").expect("it is read"),
            "7"
        );
        assert!(server.query("two", "SELECT nonsense").is_err());
    }
}
