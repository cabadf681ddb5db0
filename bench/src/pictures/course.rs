//! A picture of what happens over time: a line for each series, seconds below.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{COLOURS, FONT, Root, SIZE, legend, top_of};
use crate::summary::number;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) title: String,
    /// What the numbers are, with their unit.
    pub(super) unit: String,
    /// A name, and points: seconds and value.
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Course {
    /// The picture as the text of an SVG file.
    pub(super) fn draw(&self) -> Result<String> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            self.draw_on(&root)
                .map_err(|error| anyhow!("{}: {error}", self.title))?;
        }
        Ok(svg)
    }

    fn draw_on(&self, root: &Root<'_>) -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        let points = || {
            self.series
                .iter()
                .flat_map(|(_, points)| points.iter().copied())
        };
        let end = points().map(|(at, _)| at).fold(1.0, f64::max);
        let top = top_of(points().map(|(_, value)| value).fold(0.0, f64::max));
        let mut chart = ChartBuilder::on(root)
            .caption(&self.title, (FONT, 16))
            .margin(12)
            .x_label_area_size(66)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc("seconds")
            .y_desc(self.unit.as_str())
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .label_style((FONT, 13))
            .light_line_style(WHITE)
            .draw()?;
        for (place, (_, points)) in self.series.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(line)?;
        }
        let names: Vec<&str> = self.series.iter().map(|(name, _)| name.as_str()).collect();
        legend(root, &names)?;
        root.present()?;
        Ok(())
    }
}
