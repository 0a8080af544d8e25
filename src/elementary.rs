//! Elementary functions of numbers, from this program and not from the system's library of mathematics:
//! that one is half a mebibyte of memory in a process that needs four of its functions.

/// The functions; those of `f64` itself that have these meanings are not used (`clippy.toml`).
pub trait Elementary {
    /// e to this power.
    #[must_use]
    fn exponential(self) -> f64;
    /// The natural logarithm.
    #[must_use]
    fn logarithm(self) -> f64;
    /// The logarithm to the base ten.
    #[must_use]
    fn decimal_logarithm(self) -> f64;
    /// This number to a power.
    #[must_use]
    fn to_power(self, power: f64) -> f64;
    /// The cosine of an angle in radians.
    #[must_use]
    fn cosine(self) -> f64;
}

impl Elementary for f64 {
    fn exponential(self) -> f64 {
        libm::exp(self)
    }

    fn logarithm(self) -> f64 {
        libm::log(self)
    }

    fn decimal_logarithm(self) -> f64 {
        libm::log10(self)
    }

    fn to_power(self, power: f64) -> f64 {
        libm::pow(self, power)
    }

    fn cosine(self) -> f64 {
        libm::cos(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_their_names_say() {
        let near = |one: f64, other: f64| (one - other).abs() < 1e-12;
        assert!(near(1.0.exponential(), std::f64::consts::E));
        assert!(near(10.0.logarithm(), std::f64::consts::LN_10));
        assert!(near(1000.0.decimal_logarithm(), 3.0));
        assert!(near(2.0.to_power(0.5), std::f64::consts::SQRT_2));
        assert!(near(std::f64::consts::PI.cosine(), -1.0));
    }
}
