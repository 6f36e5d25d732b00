//! Enterprises and vehicles: what lives in a village beside its people.

use super::super::columns::{Lines, row, words};
use crate::domain::checklist::Grade;
use crate::domain::codes::coded;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::key;
use crate::domain::position::Position;
use crate::domain::region::RegionCode;

words!(EnterpriseKind, VehicleKind);

coded! {
    /// What kind of place an enterprise is; the first seven are those of the seven visits (七进).
    pub enum EnterpriseKind: "kind of enterprise" {
        /// 企业.
        Company = 1, "company", "企业", "company";
        /// 门店.
        Storefront = 2, "storefront", "门店", "storefront";
        /// 公寓.
        Apartment = 3, "apartment", "公寓", "apartment building";
        /// 学校.
        School = 4, "school", "学校", "school";
        /// 商场.
        Mall = 5, "mall", "商场", "mall";
        /// 社区.
        Community = 6, "community", "社区", "community";
        /// 家庭（作坊）.
        Family = 7, "family", "家庭", "family";
        /// 作坊.
        Workshop = 8, "workshop", "作坊", "workshop";
        /// 仓库.
        Warehouse = 9, "warehouse", "仓库", "warehouse";
        /// 工地.
        Site = 10, "site", "工地", "building site";
        /// Any other.
        Other = 11, "other", "其他", "other";
    }
}

coded! {
    /// What kind of vehicle.
    pub enum VehicleKind: "kind of vehicle" {
        /// 小客车.
        Car = 1, "car", "小客车", "car";
        /// 货车.
        Truck = 2, "truck", "货车", "truck";
        /// 客车.
        Bus = 3, "bus", "客车", "bus";
        /// 摩托车.
        Motorcycle = 4, "motorcycle", "摩托车", "motorcycle";
        /// 电动自行车.
        EBike = 5, "e_bike", "电动自行车", "e-bike";
        /// 三轮车.
        Tricycle = 6, "tricycle", "三轮车", "tricycle";
        /// Any other.
        Other = 7, "other", "其他", "other";
    }
}

row! {
    /// An enterprise (企业单位): a company, shop, school or the like, whoever answers for it sealed beside it.
    pub struct Enterprise {
        key {
            /// Village or community.
            1 REGION region: RegionCode = "村居代码", "region";
            /// What it is called; two of one name in one village are told apart by what the town adds to it.
            2 NAME name: String = "名称", "name";
        }
        required {
            /// What kind of place.
            3 KIND kind: EnterpriseKind = "类型", "kind";
        }
        optional {
            /// Its unified social credit code (GB 32100).
            4 CREDIT_CODE credit_code: String = "统一社会信用代码", "credit code";
            /// Door number within the region, as on the plate: by it its dwelling is found.
            5 ADDRESS address: String = "门牌号", "address";
            /// The grid that it lies in: its code.
            6 GRID grid: String = "网格", "grid";
            /// Where its door is.
            7 POSITION position: Position = "位置", "position";
            /// What it does.
            8 INDUSTRY industry: String = "行业", "industry";
            /// People who work there.
            9 STAFF staff: u32 = "从业人数", "staff";
            /// People who live there.
            10 LODGERS lodgers: u32 = "住宿人数", "lodgers";
            /// How much harm a fault may do there.
            11 RISK risk: Grade = "风险等级", "risk";
            /// Remarks; nothing that identifies a person.
            12 NOTE note: Lines = "备注", "remarks";
        }
    }
}

row! {
    /// A vehicle (车辆) of somebody behind a door, its owner sealed beside it.
    pub struct Vehicle {
        key {
            /// Village or community.
            1 REGION region: RegionCode = "村居代码", "region";
            /// Its number plate.
            2 PLATE plate: String = "车牌号", "plate";
        }
        required {
            /// What kind.
            3 KIND kind: VehicleKind = "类型", "kind";
        }
        optional {
            /// Door number within the region.
            4 ADDRESS address: String = "门牌号", "address";
            /// Number of the household behind that door; 1 where there is one.
            5 NUMBER number: u16 = "户序号", "household";
            /// The enterprise that it belongs to: its name.
            6 ENTERPRISE enterprise: String = "所属单位", "enterprise";
            /// What it looks like.
            7 LOOK look: String = "颜色型号", "look";
            /// Remarks; nothing that identifies a person.
            8 NOTE note: Lines = "备注", "remarks";
        }
    }
}

impl Enterprise {
    fn check_values(&self) -> Result<(), InputError> {
        input::number("staff", self.staff, 0..=1_000_000)?;
        input::number("lodgers", self.lodgers, 0..=100_000)?;
        match &self.credit_code {
            Some(code) if !is_credit_code(code) => Err(InputError::new("credit_code", CREDIT_CODE)),
            Some(_) | None => Ok(()),
        }
    }
}

const CREDIT_CODE: Fault = Fault::Form {
    chinese: "18 位统一社会信用代码（校验位须正确）",
    english: "a unified social credit code of 18 characters, its check character right",
};

impl Vehicle {
    fn check_values(&self) -> Result<(), InputError> {
        let form = Fault::Form {
            chinese: "车牌号，如 京A12345、京AD12345；电动自行车写牌证号",
            english: "a number plate such as 京A12345, or the tag of an e-bike",
        };
        input::number("number", self.number, 1..=9_999)?;
        match &self.plate {
            Some(plate) if !is_plate(plate) => Err(InputError::new("plate", form)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The one spelling of a plate: capital letters, nothing between them (京A·12345 and 京a12345 are 京A12345).
pub fn canonical_plate(text: &str) -> String {
    let plain = key::normalise(text).to_ascii_uppercase();
    plain.chars().filter(|one| !matches!(one, '-' | '·' | '.')).collect()
}

/// Whether a text is the number of a plate: 5 to 10 letters and digits, the first and the last of which may be Chinese
/// (京A12345, 京AD12345, 京A1234学). Tags of e-bikes are numbers of their own.
pub fn is_plate(text: &str) -> bool {
    let plate: Vec<char> = canonical_plate(text).chars().collect();
    let last = plate.len().saturating_sub(1);
    let fits = |(place, one): (usize, &char)| {
        let is_chinese = ('\u{4E00}'..='\u{9FFF}').contains(one);
        one.is_ascii_alphanumeric() || (is_chinese && (place == 0 || place == last))
    };
    (5..=10).contains(&plate.len()) && plate.iter().enumerate().all(fits)
}

/// First characters of plates (GA 36-2018): the province.
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";

/// The plates that a text names, in their one spelling, each once, in the order of the text: province, letter, then five
/// letters and digits, or six of a vehicle of new energy, of which the last may be one of 学警港澳挂 (GA 36-2018).
pub fn plates_in(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.to_uppercase().chars().collect();
    let mut plates: Vec<String> = Vec::new();
    for (place, _) in characters.iter().enumerate().filter(|(_, one)| PROVINCES.contains(**one)) {
        let plate = characters.get(place..).and_then(plate_at).filter(|plate| !plates.contains(plate));
        plates.extend(plate);
    }
    plates
}

/// The plate with which these characters begin.
fn plate_at(characters: &[char]) -> Option<String> {
    let [province, letter, rest @ ..] = characters else { return None };
    let between = rest.iter().take_while(|one| matches!(one, ' ' | '·' | '.' | '-')).take(2).count();
    let rest = rest.get(between..)?;
    let serial = rest.iter().take_while(|one| one.is_ascii_alphanumeric()).count();
    let has_mark = serial == 4 && rest.get(4).is_some_and(|mark| "学警港澳挂".contains(*mark));
    let length = if has_mark { 5 } else { serial };
    let fits = letter.is_ascii_uppercase() && (has_mark || matches!(serial, 5 | 6));
    fits.then(|| [*province, *letter].iter().chain(rest.iter().take(length)).collect())
}

/// Whether a text is a unified social credit code: GB 32100-2015, 17 characters and one that checks them (modulus 31,
/// weights the powers of 3).
pub fn is_credit_code(text: &str) -> bool {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let code = text.trim().to_ascii_uppercase();
    let value = |one: u8| DIGITS.iter().position(|digit| *digit == one);
    let values: Option<Vec<usize>> = code.bytes().map(value).collect();
    let Some([first @ .., check]) = values.as_deref() else { return false };
    let mut weight = 1;
    let mut sum = 0;
    for value in first {
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    first.len() == 17 && (31 - sum % 31) % 31 == *check
}
