//! What the simulated shops sell: 55 articles of a small German supermarket with their prices.
//! Does not know stock or discounts.

/// One article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Article {
    /// Plain ASCII, so that it needs no escape in JSON.
    pub(crate) name: &'static str,
    /// Price of one in cents.
    pub(crate) cents: u32,
}

/// Every article; its number is its place.
pub(crate) const ARTICLES: [Article; 55] = [
    article("Vollmilch 1 l", 119),
    article("Hafermilch 1 l", 179),
    article("Butter 250 g", 229),
    article("Naturjoghurt 500 g", 99),
    article("Quark 500 g", 135),
    article("Gouda Scheiben 300 g", 269),
    article("Emmentaler Stueck 250 g", 319),
    article("Feta 200 g", 199),
    article("Eier Freiland 10 Stueck", 329),
    article("Sahne 200 g", 89),
    article("Roggenbrot 750 g", 285),
    article("Toastbrot 500 g", 125),
    article("Broetchen 6 Stueck", 149),
    article("Brezel", 79),
    article("Croissant", 95),
    article("Aepfel 1 kg", 249),
    article("Bananen 1 kg", 139),
    article("Birnen 1 kg", 279),
    article("Zitronen 500 g", 159),
    article("Weintrauben 500 g", 299),
    article("Tomaten 500 g", 189),
    article("Gurke", 85),
    article("Paprika Mix 500 g", 259),
    article("Kartoffeln 2 kg", 299),
    article("Moehren 1 kg", 115),
    article("Zwiebeln 1 kg", 129),
    article("Kopfsalat", 139),
    article("Champignons 400 g", 219),
    article("Spinat gefroren 450 g", 169),
    article("Erbsen gefroren 750 g", 209),
    article("Spaghetti 500 g", 95),
    article("Penne 500 g", 95),
    article("Basmatireis 1 kg", 289),
    article("Linsen 500 g", 175),
    article("Weizenmehl 1 kg", 79),
    article("Zucker 1 kg", 119),
    article("Rapsoel 1 l", 219),
    article("Olivenoel 500 ml", 699),
    article("Tomatenmark 200 g", 89),
    article("Passierte Tomaten 500 g", 99),
    article("Haferflocken 500 g", 85),
    article("Muesli 750 g", 349),
    article("Honig 500 g", 549),
    article("Erdbeerkonfituere 450 g", 229),
    article("Zartbitterschokolade 100 g", 129),
    article("Butterkekse 200 g", 109),
    article("Salzstangen 250 g", 119),
    article("Filterkaffee 500 g", 649),
    article("Schwarzer Tee 25 Beutel", 189),
    article("Mineralwasser 6 x 1,5 l", 299),
    article("Apfelsaft 1 l", 149),
    article("Raeucherlachs 200 g", 499),
    article("Haehnchenbrust 400 g", 579),
    article("Spuelmittel 500 ml", 125),
    article("Toilettenpapier 10 Rollen", 459),
];

const fn article(name: &'static str, cents: u32) -> Article {
    Article { name, cents }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_stand_in_json_as_it_is() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ,.".contains(&byte);

        assert!(ARTICLES.iter().all(|article| article.name.bytes().all(plain)));
        assert!(ARTICLES.iter().all(|article| (79..=999).contains(&article.cents)));
    }
}
