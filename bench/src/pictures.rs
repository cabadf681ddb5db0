//! Draws the figures of a folder, a picture for each result, as SVG.
//!
//! The same figures are always the same bytes. Axes begin at zero; where there is an aim, it is a line.

mod bars;
mod course;
mod scenes;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;

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

/// Colours that are told apart without seeing red and green.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 90, 160),
    RGBColor(230, 140, 20),
    RGBColor(110, 110, 110),
    RGBColor(0, 140, 110),
];

/// Of an aim.
const AIM: RGBColor = RGBColor(190, 20, 60);

const FONT: &str = "sans-serif";

/// The whole of a picture.
type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;

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

/// Says below the picture which colour is whose, where there is more than one.
fn legend(root: &Root<'_>, names: &[&str]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    if names.len() < 2 {
        return Ok(());
    }
    // About as wide as a letter of this size is: the width of a text is known to who shows it, not here.
    let width = |name: &str| 34 + 7 * i32::try_from(name.chars().count()).unwrap_or(0);
    let whole: i32 = names.iter().map(|name| width(name)).sum();
    let (wide, high) = (SIZE.0.cast_signed(), SIZE.1.cast_signed());
    let (mut x, y) = ((wide - whole) / 2, high - 20);
    for (place, name) in names.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        root.draw(&Rectangle::new([(x, y), (x + 12, y + 10)], colour.filled()))?;
        let style = (FONT, 13).into_font().color(&BLACK);
        root.draw(&Text::new((*name).to_owned(), (x + 17, y), style))?;
        x += width(name);
    }
    Ok(())
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
