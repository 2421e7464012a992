//! Samples gathered into families: each name stands once, with its help, type and all its samples. The
//! types are those of the `prometheus` crate, whose encoder writes them as text.

use prometheus::proto;

/// Labels of a sample.
#[derive(Clone, Debug, Default)]
pub struct Labels(Vec<proto::LabelPair>);

impl Labels {
    /// Labels by name and value.
    pub fn of(labels: &[(&str, &str)]) -> Self {
        let none = Self::default();
        labels.iter().fold(none, |all, (name, value)| all.with(name, value))
    }

    /// These and one more.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut pair = proto::LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        Self(self.0.iter().cloned().chain([pair]).collect())
    }
}

/// What a metric is called and what it says.
pub type Name = (&'static str, &'static str);

/// Families in the order in which they came first.
#[derive(Debug, Default)]
pub struct Families(Vec<proto::MetricFamily>);

impl Families {
    /// A sample of a counter.
    pub fn counter(&mut self, name: Name, labels: &Labels, value: f64) {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        let metric = self.sample(name, proto::MetricType::COUNTER, labels);
        metric.set_counter(counter);
    }

    /// A sample of a gauge.
    pub fn gauge(&mut self, name: Name, labels: &Labels, value: f64) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        let metric = self.sample(name, proto::MetricType::GAUGE, labels);
        metric.set_gauge(gauge);
    }

    /// A histogram: upper bounds with cumulative counts, the count and the sum of all.
    pub fn histogram(&mut self, name: Name, labels: &Labels, buckets: &[(f64, u64)], count: u64, sum: f64) {
        let bucket = |(bound, count): &(f64, u64)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(*count);
            bucket
        };
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.iter().map(bucket).collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum);
        let metric = self.sample(name, proto::MetricType::HISTOGRAM, labels);
        metric.set_histogram(histogram);
    }

    /// The families.
    pub fn finish(self) -> Vec<proto::MetricFamily> {
        self.0
    }

    fn sample(&mut self, (name, help): Name, ty: proto::MetricType, labels: &Labels) -> &mut proto::Metric {
        let known = self.0.iter().position(|family| family.name() == name);
        let index = known.unwrap_or_else(|| {
            let mut family = proto::MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(ty);
            self.0.push(family);
            self.0.len() - 1
        });
        let metrics = self.0[index].mut_metric();
        let mut metric = proto::Metric::default();
        metric.set_label(labels.0.clone());
        metrics.push(metric);
        metrics.last_mut().expect("one was just added")
    }
}
