//! From events to findings: aggregator, detectors, index advice.
