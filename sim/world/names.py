"""Invented names for the synthetic town. No list here describes a real place; any likeness is the English language's."""

_STEMS = """
Abbot Acorn Alder Almond Anvil Ashdown Aspen Barley Barrow Beacon Beech Bell Birch Blackthorn Bluebell Bramble Bridge Brook
Buckland Campion Castle Cedar Chalk Chapel Cherry Chestnut Church Clover Cobbler Cooper Coppice Cornfield Cowslip Crab Cross
Culver Damson Dairy Drover Elder Elm Fairfield Fallow Farrier Fern Field Finch Flint Forge Foxglove Friars Furlong Gallow
Glebe Gorse Grange Granary Greenway Grove Hawthorn Hazel Heath Heron Hill Holly Holm Hurdle Ivy Juniper Kestrel Kiln Lark
Laurel Lime Linden Linnet Long Lych Mallow Maltings Manor Maple Market Martin Mead Medlar Mill Minster Mint Monks Moor Myrtle
Nettle Nightingale Nursery Oak Orchard Osier Otter Ox Paddock Park Pasture Peacock Pear Pheasant Pine Plover Plum Poplar
Priory Quarry Quince Rectory Reed River Robin Rook Rowan Rush Saddler Saffron Sedge Shepherd Skylark Sloe Smithy Sparrow
Spinney Spring Swallow Swan Sycamore Tanner Teal Thistle Thorn Thrush Tithe Trinity Vicarage Vine Walnut Warren Wayside
Weaver Well Wheat Whitethorn Willow Windmill Wood Wren Wych Yarrow Yew
"""
STREET_STEMS = tuple(_STEMS.split())

STREET_TYPES = ("Road", "Street", "Avenue", "Close", "Lane", "Way", "Drive", "Gardens", "Terrace", "Crescent", "Place", "Rise")
PRIMARY = ("High West Street", "High East Street", "North Gate Road", "South Street")
ALLEY_TYPES = ("Alley", "Passage", "Yard", "Row")

PUBS = ("The Wheatsheaf", "The Blue Boar", "The Drover's Rest", "The Old Plough", "The Millwheel")
SHOPS = ("Greenlow Stores", "Castle Street News", "Hartley's Bakery", "Townsend Hardware", "Minster Pharmacy")
SCHOOLS = ("St Aldwin's School", "Fairlea Primary School")
WORKS = ("Millbrook Joinery", "Westgate Print Works", "Osier Logistics", "Flintway Garage")
OFFICES = ("Probation Office", "Police Station", "Town Library", "Corn Exchange", "Jobcentre", "St Aldwin's Church")
SUPERMARKET = "Larkfield Supermarket"
HOSPITAL = "Glebe Community Hospital"
PARKS = ("Priory Gardens", "Fairlea Common")
RIVER = "River Lydd"
MEADOWS = "Lydd Water Meadows"
RIVERSIDE = "Riverside Walk"
