"""The words behind the verifier: what says nothing, what says the same, what turns a meaning round. Data, for English.

A word that no table knows is taken for itself, so a text in any other language is compared word by word.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "AUXILIARIES",
    "COMPARATIVES",
    "DATES",
    "FILLERS",
    "FOREIGN_NEGATIONS",
    "INFINITIVES",
    "IRREGULAR",
    "LANGUAGES",
    "MODALS",
    "NEGATIONS",
    "NO_SUFFIX",
    "NUMBERS",
    "PERSONS",
    "QUESTIONS",
    "STRICT_ROLES",
    "SYNONYMS",
    "TENSES",
    "UNITS",
    "WEAK_ROLES",
]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _classes(lines: str) -> dict[str, str]:
    """From each word to the first of its line."""
    return {word: first for line in lines.strip().splitlines() for first in line.split()[:1] for word in line.split()}


LANGUAGES: Final = {
    "en": _set("the is are what how do does did my to of and which who i you it was can in why when for where"),
    "de": _set("der die das ist sind was wie und ich nicht ein eine einen welche wer ist zu im von wo wann warum mit"),
    "fr": _set("le la les est sont que quel quelle quelles comment et je ne pas un une des du qui où quand dans pour"),
    "es": _set("el los las es son qué cuál cómo y yo un una del quién dónde cuándo en por para con se cuáles está"),
    "it": _set("il lo gli è sono che qual quale come io non un una di del chi dove quando perché per con della"),
    "pt": _set("o os as é são que qual como e eu não um uma do da quem onde quando por para com em você"),
    "nl": _set("de het is zijn wat hoe en ik niet een welke wie waar wanneer waarom van voor met op je"),
}
"""Words that tell a language, by their share of a text."""

QUESTIONS: Final = _set("how why when where who whom whose howmany howmuch howlong whether if")
"""What is asked for; `what` and `which` say only that something is."""

AUXILIARIES: Final = _set("do does did is are am was were be been being has have had will would")
TENSES: Final = {
    **dict.fromkeys(("was", "were", "did", "had"), "past"),
    **dict.fromkeys(("is", "are", "am", "do", "does", "has", "have", "can", "should", "must", "may"), "present"),
    "will": "future",
}
MODALS: Final = {
    **dict.fromkeys(("can", "could", "may", "might"), "can"),
    **dict.fromkeys(("should", "ought"), "should"),
    **dict.fromkeys(("must",), "must"),
}

NEGATIONS: Final = {
    **dict.fromkeys(("not", "no", "without", "cannot"), "not"),
    **{
        word: word
        for word in (
            *("never", "none", "nothing", "nobody", "neither", "nor", "except", "excluding", "unable", "lack"),
            *("lacking", "hardly", "non"),
        )
    },
}
"""How each is written where its place counts."""
FOREIGN_NEGATIONS: Final = _set(
    "nicht kein keine keinen keiner keinem ohne nie niemals pas jamais sans rien aucun aucune plus nunca sin no ningún "
    "ninguna nada non mai senza nessun nessuna não nem sem niet geen nooit zonder"
)

FILLERS: Final = _set(
    "a an the this that these those there it its my your our their own some any i you we what which to please kindly "
    "actually really just exactly currently still so very s of "
    "denn eigentlich bitte"
)
"""Words without which a question is the same one. `of` and `to` count by the role that they give."""

WEAK_ROLES: Final = {
    **dict.fromkeys(("in", "on", "at", "inside"), "in"),
    **dict.fromkeys(("with", "using", "via"), "with"),
    **dict.fromkeys(("of",), "of"),
    **dict.fromkeys(("for",), "for"),
}
"""Prepositions that say which part a word plays; the part is also clear from its place."""
STRICT_ROLES: Final = {
    **dict.fromkeys(("to", "into", "onto", "towards", "toward"), "to"),
    **dict.fromkeys(("about", "regarding", "concerning"), "about"),
    "from": "from",
    "by": "by",
    "than": "than",
    "as": "as",
}
"""Prepositions with a direction."""

PERSONS: Final = {
    **dict.fromkeys(("i", "we"), "i"),
    **dict.fromkeys(("my", "our"), "my"),
    **dict.fromkeys(("you",), "you"),
    **dict.fromkeys(("your",), "your"),
}

INFINITIVES: Final = _set(
    "be buy call cancel change clean do drink drive eat enter feel file find finish fix fly freeze get give go have "
    "help improve install invest keep know learn leave live log lose make move open pay play read reset return run "
    "save see sell send sleep speak start stay stop store study swim take teach tell travel treat turn update use "
    "visit wait walk wash watch wear win work write ship upload download"
)
"""Verbs before which `to` gives no direction."""

COMPARATIVES: Final = _set(
    "more most less least better best worse worst bigger larger smaller taller shorter longer higher lower older "
    "younger newer faster slower quicker cheaper heavier lighter stronger weaker hotter colder warmer cooler safer "
    "easier harder earlier later closer nearer farther further deeper wider richer poorer brighter darker louder "
    "quieter healthier greater fewer sooner simpler softer thicker thinner"
)
NO_SUFFIX: Final = _set(
    "forest interest request test best guest harvest west rest chest latest honest manifest invest protest nest "
    "digest suggest contest arrest only early reply supply apply july italy family daily weekly monthly yearly fly "
    "jelly belly bully rally assembly hardly nearly news series species physics mathematics gas bus lens canvas "
    "always perhaps this thus its is was has does us yes plus less address process access business class glass pass "
    "cross loss across unless string spring during thing nothing something anything everything king ring bring sing "
    "wing red bed need feed seed speed indeed hundred sacred naked thousand embed breed bleed exceed succeed proceed"
)
"""Words whose ending is no ending."""

_SMALL: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
NUMBERS: Final = {
    **{word: str(value) for value, word in enumerate(_SMALL.split())},
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "billion": "1000000000",
}

UNITS: Final = _classes("""
kilometer kilometers kilometre kilometres km kms
meter meters metre metres m
centimeter centimeters centimetre centimetres cm
millimeter millimeters millimetre millimetres mm
mile miles mi
yard yards yd
foot feet ft
inch inches
kilogram kilograms kg kgs kilo kilos
gram grams g
milligram milligrams mg
microgram micrograms mcg
pound pounds lb lbs
ounce ounces oz
ton tons tonne tonnes
liter liters litre litres l
milliliter milliliters millilitre millilitres ml
gallon gallons
quart quarts
pint pints
cup cups
tablespoon tablespoons tbsp
teaspoon teaspoons tsp
second seconds sec secs
minute minutes min mins
hour hours hr hrs
day days
week weeks
month months
year years
celsius centigrade
fahrenheit
kelvin
degree degrees °
percent percentage %
dollar dollars usd $
euro euros eur €
gbp £
yen jpy ¥
byte bytes
kilobyte kilobytes kb
megabyte megabytes mb
gigabyte gigabytes gb
terabyte terabytes tb
watt watts w
kilowatt kilowatts kw
volt volts v
calorie calories kcal
kph kmh
mph
am
pm
""")

DATES: Final = _set(
    "january february march april may june july august september october november december jan feb mar apr jun jul "
    "aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays "
    "thursdays fridays saturdays sundays today tomorrow yesterday tonight now next last ago morning afternoon evening "
    "night noon midnight weekend spring summer autumn winter before after since until"
)

IRREGULAR: Final = _classes("""
write wrote written writes
build built
win won
eat ate eaten
drink drank drunk
go went gone
get got gotten
give gave given
take took taken
make made
pay paid
buy bought
sell sold
send sent
lose lost
find found
know knew known
speak spoke spoken
speed sped
begin began begun
break broke broken
choose chose chosen
drive drove driven
fall fell fallen
fly flew flown
freeze froze frozen
grow grew grown
hide hid hidden
rise rose risen
see saw seen
sing sang sung
steal stole stolen
swim swam swum
teach taught
tell told
think thought
wear wore worn
say said
come came
become became
keep kept
leave left
meet met
die died dying dies
lie lying lies
child children
person people persons
man men
woman women
mouse mice
foot feet
tooth teeth
goose geese
leaf leaves
life lives
wife wives
knife knives
bacterium bacteria
fungus fungi
criterion criteria
phenomenon phenomena
analysis analyses
crisis crises
index indices indexes
matrix matrices
virus viruses
status statuses
""")

SYNONYMS: Final = _classes("""
fast quick rapid quickly rapidly speedy
faster quicker
fastest quickest
big large huge
bigger larger greater
biggest largest
small little tiny
smaller littler
smallest littlest tiniest
nearest closest
begin start commence
begins starts
finish complete
buy purchase
fix repair correct
movie film
autumn fall
child kid
doctor physician
car automobile
photo picture
remove delete erase
create make
write draft compose
change update modify
reduce lower decrease
reduced lowered decreased
raise increase
increased raised
need require
cost price
cheap inexpensive
cheaper
expensive costly pricey
advantage pro benefit upside
disadvantage con drawback downside
restore recover
enable activate
disable deactivate
recommend suggest
combine merge
integer int
dictionary dict
string str
config configuration
application app
database db
repository repo
directory folder
function func
argument parameter
javascript js
typescript ts
postgres postgresql
kubernetes k8s
ceo chief-executive
wifi wi-fi
email e-mail mail
phone telephone
tv television
ok okay
soccer football-association
attorney lawyer
calculate compute
happen occur
allow permit
forbid prohibit
help assist
error mistake
vacation holiday
apartment flat
trash garbage
couch sofa
store shop
sick ill
simple easy
strong powerful
reason cause
sign symptom
method technique
job occupation
salary wage
baby infant
pregnant pregnancy
mute silence
learn study
answer reply
wealthy rich
house home
bike bicycle
plane airplane aeroplane aircraft
gasoline petrol
color colour
center centre
organize organise
favorite favourite
analyze analyse
tire tyre
program programme
license licence
gray grey
aluminum aluminium
""")
