//! Draws the figures of a folder, a picture for each result, as SVG.
//!
//! The same figures are always the same bytes. Axes begin at zero; where there is an aim, it is a line.

mod bars;
mod course;
mod scenes;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// Which figures, and where the pictures go.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The folder with the figures, as `--csv` named it.
    pub directory: PathBuf,
    /// The folder into which the pictures go.
    #[arg(long, value_name = "DIR", default_value = "docs/images/performance")]
    pub out: PathBuf,
}

/// Pixels of a picture.
const SIZE: (u32, u32) = (760, 420);

/// Draws what there are figures for, and says which files were written.
///
/// # Errors
/// Where there are none, or a picture cannot be written.
pub fn run(options: &Options) -> Result<Vec<PathBuf>> {
    let pictures = scenes::all(&options.directory)?;
    ensure!(
        !pictures.is_empty(),
        "there are no figures in {}: measure first, with --csv",
        options.directory.display()
    );
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("could not make {}", options.out.display()))?;
    let mut written = Vec::new();
    for (name, svg) in pictures {
        let path = options.out.join(format!("{name}.svg"));
        std::fs::write(&path, svg)
            .with_context(|| format!("could not write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// The top of an axis that has to show a value: a little above it, at a round number.
fn top_of(value: f64) -> f64 {
    let value = if value > 0.0 { value * 1.12 } else { 1.0 };
    let unit = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let top = steps.into_iter().map(|step| step * unit);
    top.into_iter().find(|top| *top >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests;
