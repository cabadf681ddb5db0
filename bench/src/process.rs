//! A `millwork serve` process: started, made ready, killed without a warning, started again.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::api::Api;
use crate::client::Request;

/// How long a server may take until it is ready: a debug build that compiles its plugins beside other builds takes a minute.
const READY_PATIENCE: Duration = Duration::from_secs(180);

/// How long a server may take to end in good order.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// How often a server that is starting is asked whether it is ready.
const READY_BEAT: Duration = Duration::from_millis(5);

/// Lines of the server's log that an error shows.
const LOG_LINES: usize = 20;

/// Names the server's binary, where no argument does.
const BINARY_VARIABLE: &str = "MILLWORK_BIN";

/// Which server to run, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerOptions {
    /// The `millwork` binary; the one beside this tool where left out.
    #[arg(long, env = BINARY_VARIABLE, value_name = "PATH")]
    pub millwork: Option<PathBuf>,
    /// Where the server's data goes, in a fresh folder; the machine's temporary folder where left out.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// One more argument for `millwork serve`; may be repeated.
    #[arg(long = "server-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub server_args: Vec<String>,
    /// Where the compiled code of plugins is kept, for every server that is told so; with its other data where left out.
    #[arg(long, value_name = "DIR")]
    pub compiled_dir: Option<PathBuf>,
}

impl ServerOptions {
    /// A server from a binary, in the machine's temporary folder. Compiled code is kept beside the binary: tests start
    /// many servers, and compiling for each what comes with it would be most of their time.
    #[must_use]
    pub fn new(millwork: impl Into<PathBuf>) -> Self {
        let millwork = millwork.into();
        Self {
            compiled_dir: Some(millwork.with_file_name("compiled-plugins")),
            millwork: Some(millwork),
            work_dir: None,
            server_args: Vec::new(),
        }
    }

    pub(crate) fn binary(&self) -> Result<PathBuf> {
        if let Some(path) = &self.millwork {
            return path
                .canonicalize()
                .with_context(|| format!("there is no server at {}", path.display()));
        }
        let here = std::env::current_exe().context("could not tell where this tool is")?;
        let beside = here
            .ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join("millwork"));
        beside
            .into_iter()
            .find(|path| path.is_file())
            .with_context(|| {
                format!(
                    "there is no millwork beside {}: build it, or name it with --millwork",
                    here.display()
                )
            })
    }
}

/// Something that serves the API and can be killed.
///
/// The real one is [`Millwork`]; tests of this tool bring their own.
pub trait Server: Send {
    /// Where it listens; the same after every start.
    fn address(&self) -> SocketAddr;
    /// Starts it on the data that it has, without waiting until it is ready.
    ///
    /// # Errors
    /// Where it cannot be started.
    fn start(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Waits until it is ready.
    ///
    /// # Errors
    /// Where it ends before that, or takes too long.
    fn ready(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Ends it at once, as `kill -9` does: it gets no chance to tidy up.
    ///
    /// # Errors
    /// Where it cannot be killed.
    fn kill(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// A `millwork serve` process with data of its own. Killed and forgotten when dropped.
#[derive(Debug)]
pub struct Millwork {
    binary: PathBuf,
    server_args: Vec<String>,
    variables: Vec<(String, String)>,
    address: SocketAddr,
    home: TempDir,
    child: Option<Child>,
}

impl Millwork {
    /// Prepares a server with a fresh data folder and a port of its own.
    ///
    /// # Errors
    /// Where there is no binary, or no room for data.
    pub fn prepare(options: &ServerOptions) -> Result<Self> {
        let parent = options.work_dir.clone().unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&parent)
            .with_context(|| format!("could not make {}", parent.display()))?;
        let home = tempfile::Builder::new()
            .prefix("millwork-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("could not make a folder in {}", parent.display()))?;
        for folder in ["data", "plugins"] {
            std::fs::create_dir(home.path().join(folder))
                .context("could not make the server's folders")?;
        }
        if let Some(folder) = &options.compiled_dir {
            share(folder, &home.path().join("data/compiled"))
                .with_context(|| format!("could not make {}", folder.display()))?;
        }
        Ok(Self {
            binary: options.binary()?,
            server_args: options.server_args.clone(),
            variables: Vec::new(),
            address: free_address()?,
            home,
            child: None,
        })
    }

    /// Sets a variable of its environment, from its next start on.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// Where it does not run, does not end in time, or not well.
    pub async fn terminate(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server was not started")?;
        let pid = child.id().context("the server has ended by itself")?;
        let pid = Pid::from_raw(i32::try_from(pid)?).context("zero is no process")?;
        kill_process(pid, Signal::TERM).context("could not signal the server")?;
        let ended = tokio::time::timeout(END_PATIENCE, child.wait()).await;
        let status = ended.with_context(|| {
            format!(
                "the server has not ended within {END_PATIENCE:?}; its log ends with:\n{}",
                self.log_tail()
            )
        })??;
        ensure!(
            status.success(),
            "the server ended with {status}; its log ends with:\n{}",
            self.log_tail()
        );
        Ok(())
    }

    /// The folder in which it keeps everything.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The folder that it watches for plugins.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.home.path().join("plugins")
    }

    /// Prepares a server, starts it and waits until it is ready.
    ///
    /// # Errors
    /// Where one of these does not work.
    pub async fn launch(options: &ServerOptions) -> Result<Self> {
        let mut server = Self::prepare(options)?;
        server.start().await?;
        server.ready().await?;
        Ok(server)
    }

    /// The process, where it runs.
    ///
    /// # Errors
    /// Where it does not.
    pub fn pid(&self) -> Result<u32> {
        self.child
            .as_ref()
            .and_then(Child::id)
            .context("the server does not run")
    }

    /// Keeps the data and the log, and says where they are.
    pub fn keep(&mut self) -> &Path {
        self.home.disable_cleanup(true);
        self.home.path()
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Server for Millwork {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start(&mut self) -> Result<()> {
        let open = || -> std::io::Result<(File, File)> {
            let log = OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log())?;
            Ok((log.try_clone()?, log))
        };
        let (out, err) = open().context("could not open the server's log")?;
        let child = Command::new(&self.binary)
            .arg("serve")
            .args(["--listen", &self.address.to_string()])
            .arg("--data-dir")
            .arg(self.home.path().join("data"))
            .arg("--plugins-dir")
            .arg(self.home.path().join("plugins"))
            .args(&self.server_args)
            // The server takes every variable that begins like this for a setting, and refuses one that is none.
            .env_remove(BINARY_VARIABLE)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", self.binary.display()))?;
        self.child = Some(child);
        Ok(())
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        let request = Request::get("/health/ready").last();
        while Instant::now() < deadline {
            let ended = self
                .child
                .as_mut()
                .context("the server was not started")?
                .try_wait()?;
            if let Some(status) = ended {
                bail!(
                    "the server ended before it was ready ({status}); its log ends with:\n{}",
                    self.log_tail()
                );
            }
            let mut api = Api::new(self.address).with_patience(Duration::from_secs(1));
            if api
                .call(&request)
                .await
                .is_ok_and(|response| response.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(READY_BEAT).await;
        }
        bail!(
            "the server was not ready within {READY_PATIENCE:?}; its log ends with:\n{}",
            self.log_tail()
        )
    }

    async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server was not started")?;
        if let Some(status) = child.try_wait()? {
            bail!(
                "the server had ended by itself ({status}); its log ends with:\n{}",
                self.log_tail()
            );
        }
        // SIGKILL, and reaped: the port and the data are free when this returns.
        child.kill().await.context("could not kill the server")
    }
}

/// Has a folder be found in another place, too.
fn share(folder: &Path, place: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::os::unix::fs::symlink(folder.canonicalize()?, place)
}

/// Finds a port that nobody listens on.
///
/// Not one that the system would give out by itself: while the server is down, a client that connects to a port of that
/// range may be given the very same port for its own end, and be connected to itself.
pub(crate) fn free_address() -> Result<SocketAddr> {
    for _ in 0..200 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(12_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("found no free port in 200 tries")
}
