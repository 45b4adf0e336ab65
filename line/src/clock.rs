//! The table's clock, by which moments are shared: processes' own clocks may be seconds apart.

use crate::Millis;

/// What this process knows of the difference between the table's clock and its own.
///
/// Every answer of the table says at which second it was given. Each narrows down the difference a
/// little more; after a few it is known to a tenth of a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// The least and the greatest difference that agree with all that was heard.
    bounds: Option<(Millis, Millis)>,
}

impl Clock {
    /// An answer that was asked for at `sent` and came at `received`, by this process's clock, was given
    /// in the second that begins at `second` by the table's clock.
    pub fn heard(&mut self, sent: Millis, received: Millis, second: Millis) {
        let (least, greatest) = (second - received, second + 999 - sent);
        if least > greatest {
            return;
        }
        // A clock that was set meanwhile agrees with nothing that was heard before.
        self.bounds = match self.bounds {
            Some((low, high)) if low <= greatest && least <= high => {
                Some((low.max(least), high.min(greatest)))
            }
            _ => Some((least, greatest)),
        };
    }

    /// A moment of this process's clock by the table's.
    pub fn shared(&self, own: Millis) -> Millis {
        own + self.bounds.map_or(0, |(least, greatest)| least + (greatest - least) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_answers_tell_clocks_apart_to_a_tenth_of_a_second() {
        for off in [-2_000, 0, 1_234] {
            let mut clock = Clock::default();
            assert_eq!(clock.shared(5), 5, "nothing is known yet");
            for moment in (100_000..130_000).step_by(1_370) {
                let second = moment / 1_000 * 1_000;
                clock.heard(moment - 4 + off, moment + 4 + off, second);
            }
            assert!((clock.shared(200_000 + off) - 200_000).abs() < 100, "{off}");
        }
    }

    #[test]
    fn a_clock_that_is_set_is_learned_anew() {
        let mut clock = Clock::default();
        clock.heard(10_000, 10_010, 10_000);
        clock.heard(20_000, 20_010, 50_000);
        assert!((clock.shared(21_000) - 51_500).abs() < 600);
    }

    #[test]
    fn an_answer_before_its_question_says_nothing() {
        let mut clock = Clock::default();
        clock.heard(20_000, 10_000, 10_000);
        assert_eq!(clock.shared(7), 7);
    }
}
