/*
 * The tables of words. Spelled as reply_words_read leaves them: lower case, no
 * accents, no apostrophes. A word may stand in several rows.
 */
#include "gateway/reply/lexicon.h"

#include <string.h>

#define SLOTS REPLY_LEXICON_SLOTS
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	unsigned means;
	const char *words;
} rows[] = {
	{REPLY_MEANS_FILLER,
		"a an the of is are am was be it its this that these those there here i im id ill me my mine we us our "
		"what whats which how long do does did doing can could would will shall may might to for from in on at "
		"by with "
		"about as so if then please pls plz pleas kindly sir ma madam maam mam mr mrs miss boss oga bro bros "
		"sis dear "
		"friend guys guy want wanna need like love looking look find see buy purchase purchasing get got give "
		"show tell know "
		"ask asking interested let one ones some any also still now today tomorrow urgently asap again just "
		"only "
		"really actually okay per each much many wish send"},
	{REPLY_MEANS_FILLER, /* Nigerian Pidgin */
		"abeg abegi biko wetin dey na una wan make e o oh ooo oo sha sef shey abi dis dat di fit sabi be "
		"bikonu jare joor jor nau naw wey say mek go am"},
	{REPLY_MEANS_FILLER, /* French */
		"le la les l un une des du de d est ce que qu quel quelle quels quelles c il elle vous avez je j veux "
		"voudrais "
		"cherche acheter svp stp s te plait pour et en au aux sont besoin aimerais ai t y sur mon ma"},
	{REPLY_MEANS_FILLER, /* Spanish, Portuguese */
		"el los las una uno unos unas del al en por favor es son quiero quisiera busco comprar necesito me "
		"para "
		"porfa os as um uma do da dos das no na quero queria gostaria preciso procuro voce voces eh"},
	{REPLY_MEANS_PRICE,
		"price prices prize pricing cost costs costing much amount rate rates worth charge available "
		"availability "
		"instock quote quotation priced"},
	{REPLY_MEANS_PRICE,
		"combien coute coutent prix tarif tarifs vaut valent disponible disponibles "
		"cuanto cuantos cuanta cuesta cuestan vale valen precio precios tienes tiene tienen hay "
		"quanto custa custam preco precos valor tem disponivel"},
	{REPLY_MEANS_HAVE | REPLY_MEANS_FILLER, "have has get sell selling stock avez dey remain left"},
	{REPLY_MEANS_YOU | REPLY_MEANS_FILLER, "you u una ya yall vous anyone there e still"},
	{REPLY_MEANS_GREETING,
		"hi hii hiii hello helo hallo hey heyy morning afternoon evening greetings greeting howdy "
		"howfa xup sup bonjour bonsoir salut coucou hola buenos buenas dias tardes noches ola oi bom boa dia "
		"tarde noite "
		"salam assalamu alaikum sannu ekaro kaabo"},
	{REPLY_MEANS_FILLER, "good day happy far fine well tudo bem"},
	{REPLY_MEANS_THANKS,
		"thanks thank thanx thx tnx tanks ty ok okay okey okk k kk alright alrite noted cool great nice "
		"perfect "
		"lol haha hahaha bye goodbye welcome appreciate appreciated merci gracias obrigado obrigada daalu ese "
		"bless god "
		"vale daccord valeu"},
	{REPLY_MEANS_AWAY,
		"where wheres located location address shop store office branch deliver delivery delivers shipping "
		"ship waybill "
		"open opening opened close closing closed hours hour time when who why owner manager agent person "
		"human "
		"account bank payment pay transfer number call contact whatsapp instagram website link job vacancy "
		"hiring work "
		"installment installments warranty discount negotiate negotiable change exchange swap repair fix "
		"adresse livraison donde ubicacion direccion envio onde endereco entrega"},
	{REPLY_MEANS_COMPLAINT,
		"arrived arrive come came received receive refund refunded return returned complaint complain broken "
		"spoil spoiled "
		"spoilt damaged damage faulty fake scam tracking track delivered waiting problem issue paid sent "
		"transferred "
		"receipt yet not never cancel cancelled wrong havent hasnt didnt dont cant late"},
	{REPLY_MEANS_AND, "and or with alongside et ou y und e n also then"},
	{REPLY_MEANS_SOFT,
		"bag bags pack packs packet packets piece pieces pcs pc unit units carton cartons cup cups bottle "
		"bottles can cans tin "
		"tins box boxes sachet sachets crate crates roll rolls pair pairs set sets dozen set plate plates "
		"original new brand neat clean quality latest good genuine authentic type kind model product item "
		"goods "
		"products items things stuff device size"},
	{REPLY_MEANS_MODEL,
		"pro max mini plus ultra lite air se fe xl xs xr xxl xxxl note fold flip small medium large big king "
		"queen "
		"junior kids prime neo edge core x double single jumbo mega super premium deluxe"},
	{REPLY_MEANS_UNIT,
		"gb gig gigs tb mb kg kgs kilo kilos kilogram kilograms g gram grams gr mg l litre litres liter liters "
		"ltr ltrs lt "
		"ml cl inch inches cm mm m meter metre meters metres ft feet w watt watts mah v volt volts oz lb lbs "
		"yard yards hp "
		"mp ghz hz kva kv"},
	{REPLY_MEANS_LIST | REPLY_MEANS_PRICE, "catalogue catalog catalogues menu pricelist catalogo"},
	{REPLY_MEANS_LIST, "list liste lista products items goods stuff"},
	{REPLY_MEANS_ORDER, "order orders ordering commander commande pedir pedido encomendar"},
	{REPLY_MEANS_BRAND, "apple samsung galaxy google sony xiaomi microsoft"},
	{REPLY_MEANS_ANSWER, "yes yeah yea yep yup no nope oui non si sim nao"},
};

/* Spellings of one measure, the first names it. */
static const char *const measures[] = {
	"gb gig gigs g",
	"kg kgs kilo kilos kilogram kilograms",
	"g gram grams gr",
	"l litre litres liter liters ltr ltrs lt",
	"inch inches",
	"m meter metre meters metres",
	"ft feet",
	"w watt watts",
	"v volt volts",
	"lb lbs",
	"yard yards",
};

static const struct {
	const char *brand, *beside;
} brands[] = {
	{"apple", "iphone"},
	{"apple", "ipad"},
	{"apple", "macbook"},
	{"apple", "airpods"},
	{"apple", "airpod"},
	{"samsung", "galaxy"},
	{"galaxy", "samsung"},
	{"google", "pixel"},
	{"sony", "playstation"},
	{"xiaomi", "redmi"},
	{"microsoft", "xbox"},
};

static uint32_t hash(const char *s, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h ^ h >> 15;
}

/* The slot of a word, or the free one where it belongs. The table is never full. */
static size_t slot_of(const struct reply_lexicon *lx, const char *s, size_t len)
{
	size_t i = hash(s, len) % SLOTS;

	while (lx->slot[i].s != NULL && (lx->slot[i].len != len || memcmp(lx->slot[i].s, s, len) != 0))
		i = (i + 1) % SLOTS;
	return i;
}

void reply_lexicon_init(struct reply_lexicon *lx)
{
	memset(lx, 0, sizeof(*lx));
	for (size_t r = 0; r < COUNT(rows); r++) {
		for (const char *s = rows[r].words; *s != 0;) {
			size_t len = strcspn(s, " "), i = slot_of(lx, s, len);

			lx->slot[i].s = s;
			lx->slot[i].len = (uint8_t)len;
			lx->slot[i].means = (uint16_t)(lx->slot[i].means | rows[r].means);
			s += len + (s[len] == ' ' ? 1 : 0);
		}
	}
}

unsigned reply_lexicon_means(const struct reply_lexicon *lx, const struct reply_word *w)
{
	size_t i;

	if (w->number)
		return 0;
	i = slot_of(lx, w->s, w->len);
	return lx->slot[i].s == NULL ? 0 : lx->slot[i].means;
}

static bool listed(const char *list, const struct reply_word *w)
{
	for (const char *s = list; *s != 0;) {
		size_t len = strcspn(s, " ");

		if (len == w->len && memcmp(s, w->s, len) == 0)
			return true;
		s += len + (s[len] == ' ' ? 1 : 0);
	}
	return false;
}

bool reply_units_agree(const struct reply_word *a, const struct reply_word *b)
{
	if (a->len == b->len && memcmp(a->s, b->s, a->len) == 0)
		return true;
	for (size_t i = 0; i < COUNT(measures); i++) {
		if (listed(measures[i], a) && listed(measures[i], b))
			return true;
	}
	return false;
}

bool reply_brand_implied(const struct reply_word *brand, const struct reply_words *by)
{
	for (size_t i = 0; i < COUNT(brands); i++) {
		if (!reply_word_is(brand, brands[i].brand))
			continue;
		for (size_t k = 0; k < by->len; k++) {
			if (reply_word_is(&by->word[k], brands[i].beside))
				return true;
		}
	}
	return false;
}
