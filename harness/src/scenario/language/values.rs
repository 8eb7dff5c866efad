//! What each type looks like in a file.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

use super::checks;
use super::key::{Shape, Value};
use super::triggers::EDGE;
use crate::check::{AllowedLoss, DeliveryLaw, GaugeLaw, Health, LossReason, RecoverySince, Sign, SocketLaw};
use crate::fact::FactKind;
use crate::fault::{
    CutEnding, Edge, Ends, Forgetting, FrameKind, HalfOpenKind, IllegalKind, IoCall, IoErrorKind, LookupError,
};
use crate::name::{Direction, HostName, Side};
use crate::occurrence::WrittenLink;
use crate::scenario::Arrivals;
use crate::scenario::date::Date;
use crate::scenario::duration::Millis;

impl Value for String {
    const SHAPE: Shape = Shape::Text;
}

impl Value for HostName {
    const SHAPE: Shape = Shape::Host;
}

impl Value for WrittenLink {
    const SHAPE: Shape = Shape::Link;
}

impl Value for bool {
    const SHAPE: Shape = Shape::Flag;
}

impl Value for u16 {
    const SHAPE: Shape = Shape::Whole(0, u16::MAX as u64);
}

impl Value for u32 {
    const SHAPE: Shape = Shape::Whole(0, u32::MAX as u64);
}

impl Value for u64 {
    const SHAPE: Shape = Shape::Whole(0, i64::MAX as u64);
}

impl Value for Millis {
    const SHAPE: Shape = Shape::Duration;
}

impl Value for Date {
    const SHAPE: Shape = Shape::Date;
}

impl<T: Value> Value for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: Value> Value for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Named(&T::SHAPE);
}

impl<T: Value> Value for BTreeMap<HostName, T> {
    const SHAPE: Shape = Shape::Named(&T::SHAPE);
}

/// Types that are one word each.
macro_rules! words {
    ($($word:ty),* $(,)?) => {
        $(impl Value for $word {
            const SHAPE: Shape = Shape::Words(|| words::<Self>().to_vec());
        })*
    };
}

words!(
    Arrivals,
    DeliveryLaw,
    Direction,
    CutEnding,
    Ends,
    FactKind,
    Forgetting,
    FrameKind,
    HalfOpenKind,
    IllegalKind,
    IoCall,
    IoErrorKind,
    LookupError,
    LossReason,
    RecoverySince,
    Side,
    SocketLaw,
);

impl Value for Edge {
    const SHAPE: Shape = Shape::Either(&EDGE);
}

impl Value for AllowedLoss {
    const SHAPE: Shape = Shape::Table(&checks::ALLOWED_LOSS);
}

impl Value for Health {
    const SHAPE: Shape = Shape::Table(&checks::HEALTH);
}

impl Value for Sign {
    const SHAPE: Shape = Shape::Table(&checks::SIGN);
}

impl Value for GaugeLaw {
    const SHAPE: Shape = Shape::Either(&checks::GAUGE);
}

/// The words of an enum, or the keys of a struct, as its own `Deserialize` asks for them.
///
/// # Panics
///
/// If the type asks for neither.
pub(crate) fn words<T: DeserializeOwned>() -> &'static [&'static str] {
    match T::deserialize(Inquiry) {
        Err(Answer(Some(words))) => words,
        Err(Answer(None)) | Ok(_) => unreachable!("a type that is asked for its words is an enum or a struct"),
    }
}

/// A deserializer that holds nothing and learns which words a type would read.
struct Inquiry;

#[derive(Debug)]
struct Answer(Option<&'static [&'static str]>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type was asked for its words")
    }
}

impl std::error::Error for Answer {}

impl Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> Deserializer<'de> for Inquiry {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer(None))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(Some(variants)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(Some(fields)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}
