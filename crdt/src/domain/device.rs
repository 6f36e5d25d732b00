//! Devices: what reports by itself.

use super::codes::coded;
use super::device_event::MAX_DEVICE_BYTES;
use super::input::{self, Fault, InputError};
use super::key;
use super::position::Position;
use super::record::record;
use super::region::RegionCode;

coded! {
    /// What a device is.
    pub enum DeviceKind: "kind of device" {
        /// 摄像机.
        Camera = 1, "camera", "摄像机", "camera";
        /// 门禁.
        AccessGate = 2, "access_gate", "门禁", "access gate";
        /// 停车道闸.
        ParkingGate = 3, "parking_gate", "停车道闸", "parking gate";
        /// 电动自行车充电桩.
        BikeCharger = 4, "bike_charger", "电动自行车充电桩", "e-bike charger";
        /// 汽车充电桩.
        CarCharger = 5, "car_charger", "汽车充电桩", "car charger";
        /// 环境监测仪.
        Environment = 6, "environment", "环境监测仪", "environment monitor";
        /// 积水监测仪.
        Waterlogging = 7, "waterlogging", "积水监测仪", "waterlogging monitor";
        /// 烟感.
        Smoke = 8, "smoke", "烟感", "smoke detector";
        /// 燃气探测器.
        Gas = 9, "gas", "燃气探测器", "gas detector";
        /// 用电监测器.
        Electricity = 10, "electricity", "用电监测器", "electricity monitor";
        /// 车载终端.
        Vehicle = 11, "vehicle", "车载终端", "vehicle terminal";
        /// 手持终端.
        Handheld = 12, "handheld", "手持终端", "handheld terminal";
        /// Any other.
        Other = 13, "other", "其他", "other";
    }
}

coded! {
    /// How a device speaks.
    pub enum Protocol: "protocol" {
        /// MQTT with JSON.
        Mqtt = 1, "mqtt", "MQTT", "MQTT";
        /// MQTT with Sparkplug B.
        SparkplugB = 2, "sparkplug_b", "Sparkplug B", "Sparkplug B";
        /// Vehicle terminals, 2013 and 2019.
        Jt808 = 3, "jt808", "JT/T 808", "JT/T 808";
        /// Environment monitors.
        Hj212 = 4, "hj212", "HJ 212", "HJ 212";
        /// Water levels.
        Sl651 = 5, "sl651", "SL 651", "SL 651";
        /// Doors and parking.
        Gat1400 = 6, "gat1400", "GA/T 1400", "GA/T 1400";
        /// A satellite receiver, or gpsd.
        Nmea = 7, "nmea", "NMEA 0183", "NMEA 0183";
        /// E-bike sockets.
        Dny = 8, "dny", "DNY", "DNY";
        /// Car chargers.
        Ocpp = 9, "ocpp", "OCPP", "OCPP";
        /// Camera alarms.
        Gb28181 = 10, "gb28181", "GB/T 28181", "GB/T 28181";
        /// Entered by hand or through the REST API.
        Rest = 11, "rest", "接口上报", "REST";
    }
}

record! {
    /// A device (设备).
    pub struct Device {
        /// Protocol and the device's own number in it, as [`device_code`] writes them; the natural key.
        1 CODE code: Option<String>,
        /// What people call it.
        2 NAME name: Option<String>,
        /// What it is.
        3 KIND kind: Option<DeviceKind>,
        /// How it speaks.
        4 PROTOCOL protocol: Option<Protocol>,
        /// Village or community.
        5 REGION region: Option<RegionCode>,
        /// Where in it, in words.
        6 PLACE place: Option<String>,
        /// Where on the map.
        7 POSITION position: Option<Position>,
        /// The team that looks after it: a team's code.
        8 OWNER owner: Option<String>,
        /// Seconds without a sign of life after which it counts as silent.
        9 SILENCE_LIMIT silence_limit_s: Option<u32>,
        /// Taken down: its silence is no news.
        10 RETIRED retired: Option<bool>,
        /// Remarks.
        11 NOTE note: Option<String>,
    }
}

/// Seconds without a sign of life after which a device may count as silent: up to a year.
const SILENCE_S: std::ops::RangeInclusive<u64> = 1..=366 * 86_400;

/// The code of a device: its protocol's key, a colon, its own number, such as `hj212:010000a8900016f000169dc0`.
/// Normalised as natural keys are, since events name their device by it.
pub fn device_code(protocol: Protocol, number: &str) -> String {
    key::normalise(&format!("{protocol}:{number}"))
}

impl Device {
    /// The key of its document; `None` while the code is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        self.code.as_deref().filter(|code| !key::normalise(code).is_empty()).map(natural_key)
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::texts(&self.fields(), Self::table)?;
        input::word("kind", self.kind, DeviceKind::ALL)?;
        input::word("protocol", self.protocol, Protocol::ALL)?;
        input::number("silence_limit_s", self.silence_limit_s, SILENCE_S)?;
        // Its events could not name it.
        let is_long = self.code.as_ref().is_some_and(|code| code.len() > MAX_DEVICE_BYTES);
        if is_long { Err(InputError::new("code", Fault::TooLong { limit: MAX_DEVICE_BYTES })) } else { Ok(()) }
    }

    /// Whether it should have been heard since `last_heard`; both times in milliseconds since 1970.
    pub fn is_silent(&self, last_heard: i64, now: i64) -> bool {
        let limit = self.silence_limit_s.map(|seconds| i64::from(seconds) * 1_000);
        self.retired != Some(true) && limit.is_some_and(|limit| now.saturating_sub(last_heard) > limit)
    }
}

/// The key of a device's document.
pub fn natural_key(code: &str) -> Vec<u8> {
    key::natural_key(&[code])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_round_trips_and_is_found_by_any_spelling_of_its_code() {
        let device = Device {
            code: Some(device_code(Protocol::Hj212, "010000A8900016F000169DC0")),
            kind: Some(DeviceKind::Environment),
            silence_limit_s: Some(600),
            ..Device::default()
        };
        assert_eq!(Device::read(&device.fields()), device);
        assert_eq!(Device::table().len(), Device::NUMBERS);
        assert_eq!(device.natural_key(), Some(natural_key("HJ212:010000a8900016f000169dc0 ")));
    }

    #[test]
    fn silence_is_news_only_past_the_limit_of_a_device_in_service() {
        let device = Device { silence_limit_s: Some(600), ..Device::default() };
        assert!(!device.is_silent(0, 600_000) && device.is_silent(0, 600_001));
        assert!(!Device { retired: Some(true), ..device }.is_silent(0, i64::MAX));
        assert!(!Device::default().is_silent(i64::MIN, i64::MAX));
    }
}
