//! A picture of bars: categories side by side, in each a bar for every series.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{AIM, COLOURS, FONT, Root, SIZE, legend, top_of};
use crate::summary::number;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Bars {
    pub(super) title: String,
    /// What the numbers are, with their unit.
    pub(super) unit: String,
    pub(super) categories: Vec<String>,
    /// A name, and a value for each category that has one.
    pub(super) series: Vec<(String, Vec<Option<f64>>)>,
    pub(super) aims: Vec<Line>,
}

/// An aim: over all categories, or over one of them.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) category: Option<usize>,
}

impl Bars {
    fn highest(&self) -> f64 {
        let values = self.series.iter().flat_map(|(_, values)| values);
        let values = values.flatten().copied();
        values
            .chain(self.aims.iter().map(|aim| aim.value))
            .fold(0.0, f64::max)
    }

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
        let top = top_of(self.highest());
        let count = float(self.categories.len().max(1));
        let mut chart = ChartBuilder::on(root)
            .caption(&self.title, (FONT, 16))
            .margin(12)
            .x_label_area_size(56)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..count, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .y_desc(self.unit.as_str())
            .y_label_formatter(&|value| number(*value))
            .label_style((FONT, 13))
            .light_line_style(WHITE)
            .draw()?;
        let room = 0.76 / float(self.series.len().max(1));
        for (place, (_, values)) in self.series.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let bars = values.iter().enumerate().filter_map(|(category, value)| {
                let left = float(category) + 0.12 + float(place) * room;
                let corners = [(left, 0.0), (left + room * 0.94, (*value)?)];
                Some(Rectangle::new(corners, colour.filled()))
            });
            chart.draw_series(bars)?;
            let centred = Pos::new(HPos::Center, VPos::Bottom);
            let numbers = values.iter().enumerate().filter_map(|(category, value)| {
                let middle = float(category) + 0.12 + (float(place) + 0.47) * room;
                let style = (FONT, 12).into_font().color(&BLACK).pos(centred);
                Some(Text::new(
                    number((*value)?),
                    (middle, (*value)? + top * 0.008),
                    style,
                ))
            });
            chart.draw_series(numbers)?;
        }
        for aim in &self.aims {
            let (left, right) = match aim.category {
                None => (0.0, count),
                Some(category) => (float(category), float(category) + 1.0),
            };
            let line =
                PathElement::new([(left, aim.value), (right, aim.value)], AIM.stroke_width(2));
            chart.draw_series([line])?;
            let place = Pos::new(HPos::Right, VPos::Bottom);
            let style = (FONT, 12).into_font().color(&AIM).pos(place);
            chart.draw_series([Text::new(
                aim.label.clone(),
                (right, aim.value + top * 0.008),
                style,
            )])?;
        }
        // Below the axis, in the middle of each category.
        for (category, name) in self.categories.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(float(category) + 0.5, 0.0));
            let style = (FONT, 13).into_font().color(&BLACK);
            let style = style.pos(Pos::new(HPos::Center, VPos::Top));
            root.draw(&Text::new(name.clone(), (x, y + 8), style))?;
        }
        let names: Vec<&str> = self.series.iter().map(|(name, _)| name.as_str()).collect();
        legend(root, &names)?;
        root.present()?;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of categories")]
pub(super) const fn float(count: usize) -> f64 {
    count as f64
}
