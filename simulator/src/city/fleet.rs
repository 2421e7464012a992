//! The models that the fleet is made of, with what goes together: make, fuel, use and temper.

use super::random::Random;

/// What a vehicle is, for good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    #[allow(missing_docs)]
    pub make: &'static str,
    #[allow(missing_docs)]
    pub model: &'static str,
    /// Petrol, Diesel, Hybrid or Electric.
    pub fuel: &'static str,
    /// private, taxi, delivery or bus.
    pub vehicle_type: &'static str,
    /// First and last year of manufacture.
    years: (u16, u16),
    /// Strongest acceleration, in m/s².
    pub acceleration: f64,
    /// Never faster than this, in m/s.
    pub speed_max_mps: f64,
}

const fn model(
    make: &'static str,
    model: &'static str,
    fuel: &'static str,
    vehicle_type: &'static str,
    years: (u16, u16),
) -> Model {
    Model { make, model, fuel, vehicle_type, years, acceleration: 2.0, speed_max_mps: 40.0 }
}

const fn slow(model: Model, acceleration: f64, speed_max_mps: f64) -> Model {
    Model { acceleration, speed_max_mps, ..model }
}

const MODELS: [(u32, Model); 20] = [
    (8, model("Ford", "Fiesta", "Petrol", "private", (2013, 2023))),
    (7, model("Volkswagen", "Golf", "Petrol", "private", (2014, 2026))),
    (5, model("Volkswagen", "Passat", "Diesel", "private", (2012, 2023))),
    (5, model("BMW", "320d", "Diesel", "private", (2012, 2026))),
    (3, model("BMW", "330e", "Hybrid", "private", (2016, 2026))),
    (3, model("BMW", "i4", "Electric", "private", (2021, 2026))),
    (6, model("Toyota", "Corolla", "Hybrid", "private", (2019, 2026))),
    (4, model("Toyota", "Prius", "Hybrid", "taxi", (2012, 2026))),
    (5, model("Tesla", "Model 3", "Electric", "private", (2018, 2026))),
    (4, model("Tesla", "Model Y", "Electric", "private", (2020, 2026))),
    (3, model("Nissan", "Leaf", "Electric", "private", (2013, 2024))),
    (4, model("Kia", "Niro EV", "Electric", "private", (2019, 2026))),
    (4, model("Honda", "Civic", "Petrol", "private", (2013, 2026))),
    (3, model("Mercedes-Benz", "E 220 d", "Diesel", "taxi", (2014, 2026))),
    (2, model("LEVC", "TX", "Hybrid", "taxi", (2018, 2026))),
    (4, slow(model("Ford", "Transit", "Diesel", "delivery", (2014, 2026)), 1.5, 31.0)),
    (2, slow(model("Ford", "E-Transit", "Electric", "delivery", (2022, 2026)), 1.7, 31.0)),
    (3, slow(model("Mercedes-Benz", "Sprinter", "Diesel", "delivery", (2013, 2026)), 1.5, 31.0)),
    (2, slow(model("Volvo", "9700", "Diesel", "bus", (2012, 2026)), 1.0, 27.8)),
    (1, slow(model("Volvo", "7900 Electric", "Electric", "bus", (2020, 2026)), 1.1, 27.8)),
];

/// Draws a model, and a year in which it was made.
pub fn draw(random: &mut Random) -> (Model, u16) {
    let model = *random.weighted(&MODELS);
    let (first, last) = model.years;
    (model, first + random.below(u32::from(last - first) + 1) as u16)
}
