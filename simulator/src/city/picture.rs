//! Snapshots: a scene drawn as a small colour picture, as JPEG in Base64.
//!
//! A scene is what matters for the picture, in few steps: which thirds of each lane in view hold a vehicle, the
//! light, what falls. Equal scenes have equal pictures, so each is drawn once and kept while it is in use.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jpeg_encoder::{ColorType, Encoder};

use super::road::Sky;

/// Size of a picture, in pixels.
pub const WIDTH: usize = 64;
/// Size of a picture, in pixels.
pub const HEIGHT: usize = 48;
/// Lanes of a view.
pub const LANES: usize = 3;
/// Parts that the length of a view is divided into, per lane.
pub const CELLS: usize = 3;

const JPEG_QUALITY: u8 = 35;
/// Row of the horizon.
const HORIZON: usize = 14;
/// Pictures in each of the two generations that are kept: some ten megabytes together.
const GENERATION_MAX: usize = 4096;

type Colour = [u8; 3];

/// How light it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Light {
    #[default]
    Day,
    Twilight,
    Night,
}

impl Light {
    /// By the sine of the sun's height; twilight is within 6° of the horizon.
    pub fn at(sun_height: f64) -> Self {
        match sun_height {
            height if height > 0.1 => Self::Day,
            height if height > -0.1 => Self::Twilight,
            _ => Self::Night,
        }
    }

    /// The share of a colour that is left, in 256ths.
    const fn share(self) -> u16 {
        [256, 150, 70][self as usize]
    }
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scene {
    /// Bit lane · [`CELLS`] + cell is set where at least one vehicle is; cell 0 is the nearest.
    pub cells: u16,
    #[allow(missing_docs)]
    pub light: Light,
    #[allow(missing_docs)]
    pub sky: Sky,
    /// Whether an emergency vehicle's lights are seen.
    pub flashing: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self { cells: 0, light: Light::Day, sky: Sky::Dry, flashing: false }
    }
}

/// Pictures by scene: those used lately stay.
#[derive(Debug, Default)]
pub struct Pictures {
    recent: HashMap<Scene, Arc<str>>,
    older: HashMap<Scene, Arc<str>>,
    buffer: Vec<u8>,
}

impl Pictures {
    /// The picture of a scene, in Base64; draws it if it is not kept.
    pub fn develop(&mut self, scene: Scene) -> Arc<str> {
        if let Some(picture) = self.recent.get(&scene) {
            return Arc::clone(picture);
        }
        let picture = self.older.remove(&scene).unwrap_or_else(|| self.encode(scene));
        if self.recent.len() >= GENERATION_MAX {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(scene, Arc::clone(&picture));
        picture
    }

    fn encode(&mut self, scene: Scene) -> Arc<str> {
        self.buffer.clear();
        let mut encoder = Encoder::new(&mut self.buffer, JPEG_QUALITY);
        encoder.set_optimized_huffman_tables(true);
        encoder
            .encode(&Canvas::draw(scene).pixels, WIDTH as u16, HEIGHT as u16, ColorType::Rgb)
            .expect("the pixels fill the size, and writing to memory does not fail");
        STANDARD.encode(&self.buffer).into()
    }
}

/// RGB pixels, row by row.
struct Canvas {
    pixels: Vec<u8>,
    light: Light,
}

impl Canvas {
    fn draw(scene: Scene) -> Self {
        let mut canvas = Self { pixels: vec![0; WIDTH * HEIGHT * 3], light: scene.light };
        canvas.draw_land(scene.sky);
        canvas.draw_road();
        for lane in 0..LANES {
            for cell in (0..CELLS).rev().filter(|cell| scene.cells >> (lane * CELLS + cell) & 1 == 1) {
                canvas.draw_vehicle(lane, cell);
            }
        }
        if scene.flashing {
            canvas.fill(6..12, HORIZON - 4..HORIZON, [40, 60, 255], true);
        }
        canvas.draw_weather(scene.sky);
        canvas
    }

    /// Colours a rectangle, all of it inside the picture; what shines is as bright at night.
    fn fill(
        &mut self,
        columns: std::ops::Range<usize>,
        rows: std::ops::Range<usize>,
        colour: Colour,
        shines: bool,
    ) {
        let share = if shines { 256 } else { self.light.share() };
        let colour = colour.map(|part| (u16::from(part) * share / 256).min(255) as u8);
        for row in rows {
            for column in columns.clone() {
                let at = (row * WIDTH + column) * 3;
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    fn draw_land(&mut self, sky: Sky) {
        let (above, below) = match sky {
            Sky::Dry => ([140, 180, 230], [70, 120, 60]),
            Sky::Rain => ([120, 125, 135], [55, 95, 55]),
            Sky::Snow => ([190, 190, 195], [225, 225, 230]),
        };
        self.fill(0..WIDTH, 0..HORIZON, above, false);
        self.fill(0..WIDTH, HORIZON..HEIGHT, below, false);
    }

    fn draw_road(&mut self) {
        for row in HORIZON..HEIGHT {
            let (left, width) = road_at(row);
            self.fill(left..left + width, row..row + 1, [90, 90, 95], false);
            for mark in 1..LANES {
                let column = left + width * mark / LANES;
                if row % 6 < 3 {
                    self.fill(column..column + 1, row..row + 1, [230, 230, 230], false);
                }
            }
        }
    }

    /// A box with a window and tail lights, smaller the farther away.
    fn draw_vehicle(&mut self, lane: usize, cell: usize) {
        let bottom = [46, 34, 25][cell];
        let (left, width) = road_at(bottom);
        let lane_width = width / LANES;
        let size = (lane_width * 2 / 3).max(2);
        let column = left + width * lane / LANES + (lane_width - size) / 2;
        let top = bottom - size * 3 / 4;
        let colour = [[200, 30, 30], [235, 235, 235], [30, 50, 140], [40, 40, 40]][(lane + cell) % 4];
        self.fill(column..column + size, top..bottom, colour, false);
        self.fill(column + size / 4..column + size - size / 4, top..top + size / 4, [20, 30, 40], false);
        if self.light != Light::Day {
            self.fill(column..column + 1, bottom - 1..bottom, [255, 40, 20], true);
            self.fill(column + size - 1..column + size, bottom - 1..bottom, [255, 40, 20], true);
        }
    }

    fn draw_weather(&mut self, sky: Sky) {
        let (colour, length) = match sky {
            Sky::Dry => return,
            Sky::Rain => ([170, 180, 200], 4),
            Sky::Snow => ([255, 255, 255], 1),
        };
        for drop in 0..24 {
            let (column, row) = (drop * 29 % WIDTH, drop * 17 % (HEIGHT - length));
            self.fill(column..column + 1, row..row + length, colour, false);
        }
    }
}

/// The first column of the road in a row at or below the horizon, and its width: a straight road in perspective.
fn road_at(row: usize) -> (usize, usize) {
    let width = 6 + (row - HORIZON) * 52 / (HEIGHT - HORIZON);
    ((WIDTH - width) / 2, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zune_jpeg::JpegDecoder;

    fn decode(picture: &str) -> Vec<u8> {
        let mut decoder = JpegDecoder::new(STANDARD.decode(picture).unwrap());
        let pixels = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((WIDTH, HEIGHT)));
        assert_eq!(pixels.len(), WIDTH * HEIGHT * 3);
        pixels
    }

    fn brightness(pixels: &[u8]) -> f64 {
        pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels.len() as f64
    }

    #[test]
    fn every_kind_of_scene_is_a_small_jpeg() {
        let mut pictures = Pictures::default();
        for light in [Light::Day, Light::Twilight, Light::Night] {
            for sky in [Sky::Dry, Sky::Rain, Sky::Snow] {
                for (cells, flashing) in [(0, false), (0x1ff, true), (0b010_110_101, false)] {
                    let picture = pictures.develop(Scene { cells, light, sky, flashing });
                    decode(&picture);
                    assert!(picture.len() / 4 * 3 < 1500, "{light:?} {sky:?} {cells:b}: {}", picture.len());
                }
            }
        }
    }

    #[test]
    fn a_picture_shows_its_scene() {
        let mut pictures = Pictures::default();
        let mut seen = |scene| decode(&pictures.develop(scene));
        let empty = seen(Scene::default());
        let night = seen(Scene { light: Light::Night, ..Scene::default() });
        assert!(brightness(&night) < brightness(&empty) / 2.0);
        let vehicle = seen(Scene { cells: 1, ..Scene::default() });
        let changed = |x: usize, y: usize| {
            let at = (y * WIDTH + x) * 3;
            (0..3).any(|part| vehicle[at + part].abs_diff(empty[at + part]) > 40)
        };
        assert!(changed(12, 42) && !changed(50, 42) && !changed(12, 20));
    }

    #[test]
    fn pictures_in_use_are_kept_and_others_forgotten() {
        let mut pictures = Pictures::default();
        let scene = |number: usize| Scene {
            cells: (number % 4096) as u16,
            sky: [Sky::Dry, Sky::Rain, Sky::Snow][number / 4096],
            ..Scene::default()
        };
        let used = pictures.develop(scene(0));
        for number in 1..3 * 4096 {
            pictures.develop(scene(number));
            assert!(Arc::ptr_eq(&used, &pictures.develop(scene(0))), "{number}");
        }
        assert!(pictures.recent.len() + pictures.older.len() <= 2 * GENERATION_MAX);
    }
}
