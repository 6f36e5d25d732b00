//! Dwellings: the buildings behind the doors.

use super::codes::coded;
use super::date::Day;
use super::input::{self, Holder, InputError};
use super::key;
use super::person::PersonalData;
use super::position::Position;
use super::record::record;
use super::region::RegionCode;

coded! {
    /// What rooms are used for (居住类型).
    pub enum DwellingUse: "dwelling use" {
        /// 自住.
        SelfOccupied = 1, "self_occupied", "自住", "self-occupied";
        /// 出租.
        Rental = 2, "rental", "出租", "rental";
        /// 商铺.
        Shop = 3, "shop", "商铺", "shop";
        /// 作坊.
        Workshop = 4, "workshop", "作坊", "workshop";
        /// 集体宿舍.
        Dormitory = 5, "dormitory", "集体宿舍", "dormitory";
        /// 空置.
        Vacant = 6, "vacant", "空置", "vacant";
    }
}

record! {
    /// A dwelling (房屋): one building or yard with one door plate, whatever households are in it.
    pub struct Dwelling {
        /// Village or community; part of the natural key.
        1 REGION region: Option<RegionCode>,
        /// Door number (门牌号) within the region, as on the plate; part of the natural key.
        2 ADDRESS address: Option<String>,
        /// What most of it is used for.
        3 USE usage: Option<DwellingUse>,
        /// Rooms.
        4 ROOMS rooms: Option<u16>,
        /// Storeys above ground.
        5 STOREYS storeys: Option<u8>,
        /// Floor area in square decimetres (a hundredth of a square metre).
        6 AREA area_dm2: Option<u32>,
        /// Where the door is.
        7 POSITION position: Option<Position>,
        /// The grid that it lies in.
        8 GRID grid: Option<String>,
        /// Year in which it was built.
        9 BUILT built: Option<u16>,
        /// Remarks; nothing that identifies a person.
        10 NOTE note: Option<String>,
        /// Since when it is gone: no door tag is issued for it.
        11 GONE gone: Option<Day>,
    }
    sealed {
        /// Whom it belongs to.
        16 OWNER owner: Option<PersonalData>,
    }
}

impl Dwelling {
    /// The key of its document; `None` while region or address is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        let address = self.address.as_deref().filter(|address| !key::normalise(address).is_empty())?;
        Some(key::natural_key(&[&self.region?.to_string(), address]))
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::texts(&self.fields(), Self::table)?;
        input::word("usage", self.usage, DwellingUse::ALL)?;
        input::number("rooms", self.rooms, input::ROOMS)?;
        input::number("area_dm2", self.area_dm2, input::AREA_DM2)?;
        input::built("built", self.built)?;
        let owner = self.owner.iter().try_for_each(|owner| input::person(owner, Holder::Owner));
        owner.map_err(|error| error.within("owner"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dwelling_round_trips_and_has_one_key_per_door() {
        let dwelling = Dwelling {
            region: "110115005220".parse().ok(),
            address: Some("12号".into()),
            usage: Some(DwellingUse::Workshop),
            storeys: Some(2),
            ..Dwelling::default()
        };
        assert_eq!(Dwelling::read(&dwelling.fields()), dwelling);
        assert_eq!(Dwelling::table().len(), Dwelling::NUMBERS);
        let other = Dwelling { address: Some("12弄".into()), ..dwelling.clone() };
        assert_ne!(other.natural_key(), dwelling.natural_key());
        assert_eq!(Dwelling::default().natural_key(), None);
    }
}
