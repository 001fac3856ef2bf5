/*
 * The table of currencies and the format of prices. Called by the catalogue and by
 * the check of products.
 */
#include "gateway/reply/price.h"

#include <stdio.h>
#include <string.h>

#include "gateway/reply/reply.h"

static const struct {
	char code[4];
	const char *sign;
	unsigned digits; /* behind the point, where there is one */
} currencies[] = {
	{"NGN", "₦", 2},
	{"GHS", "GH₵", 2},
	{"KES", "KSh ", 2},
	{"ZAR", "R", 2},
	{"USD", "$", 2},
	{"EUR", "€", 2},
	{"GBP", "£", 2},
	{"INR", "₹", 2},
	{"BRL", "R$ ", 2},
	{"XOF", "CFA ", 0},
	{"XAF", "FCFA ", 0},
	{"JPY", "¥", 0},
	{"CNY", "CN¥", 2},
	{"TZS", "TSh ", 2},
	{"UGX", "USh ", 0},
	{"RWF", "FRw ", 0},
	{"BIF", "FBu ", 0},
	{"ETB", "Br ", 2},
	{"EGP", "E£", 2},
	{"MAD", "DH ", 2},
	{"DZD", "DA ", 2},
	{"TND", "DT ", 3},
	{"SLE", "Le ", 2},
	{"GMD", "D", 2},
	{"LRD", "L$", 2},
	{"GNF", "FG ", 0},
	{"ZMW", "K", 2},
	{"MWK", "MK ", 2},
	{"BWP", "P", 2},
	{"NAD", "N$", 2},
	{"AOA", "Kz ", 2},
	{"MZN", "MT ", 2},
	{"CDF", "FC ", 2},
	{"AED", "AED ", 2},
	{"SAR", "SAR ", 2},
	{"QAR", "QR ", 2},
	{"KWD", "KD ", 3},
	{"CAD", "CA$", 2},
	{"AUD", "A$", 2},
	{"NZD", "NZ$", 2},
	{"MXN", "MX$", 2},
	{"COP", "COL$", 2},
	{"ARS", "AR$", 2},
	{"CLP", "CLP$", 0},
	{"PEN", "S/ ", 2},
	{"PKR", "Rs ", 2},
	{"BDT", "৳", 2},
	{"LKR", "Rs ", 2},
	{"IDR", "Rp ", 2},
	{"MYR", "RM ", 2},
	{"PHP", "₱", 2},
	{"SGD", "S$", 2},
	{"THB", "฿", 2},
	{"VND", "₫", 0},
	{"KRW", "₩", 0},
	{"TRY", "₺", 2},
	{"UAH", "₴", 2},
	{"RUB", "₽", 2},
	{"PLN", "zł ", 2},
	{"CHF", "CHF ", 2},
	{"SEK", "kr ", 2},
	{"ILS", "₪", 2},
};

static size_t digits_at(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

bool reply_price_valid(const char *price, size_t len)
{
	size_t whole = digits_at(price, len), cents;

	if (whole < 1 || whole > 12)
		return false;
	if (whole == len)
		return true;
	cents = price[whole] == '.' ? digits_at(price + whole + 1, len - whole - 1) : 0;
	return (cents == 1 || cents == 2) && whole + 1 + cents == len;
}

bool reply_currency_valid(const char *currency, size_t len)
{
	if (len != 3)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (currency[i] < 'A' || currency[i] > 'Z')
			return false;
	}
	return true;
}

/* Digits in groups of three. out holds them all. */
static size_t group(char *out, const char *digits, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = 0;
	return used;
}

void reply_price_text(char *out, size_t out_len, const char *price, const char *currency)
{
	char plain[32], cents[4] = "00";
	const char *sign = NULL, *point;
	unsigned digits = 2;
	size_t n;

	for (size_t i = 0; i < sizeof(currencies) / sizeof(currencies[0]); i++) {
		if (strcmp(currencies[i].code, currency) == 0) {
			sign = currencies[i].sign;
			digits = currencies[i].digits;
		}
	}
	if (!reply_price_valid(price, strlen(price))) {
		snprintf(out, out_len, "%s %s", currency, price);
		return;
	}
	while (price[0] == '0' && price[1] >= '0' && price[1] <= '9')
		price++;
	n = digits_at(price, strlen(price));
	point = price[n] == '.' ? price + n + 1 : NULL;
	group(plain, price, n);
	if (point != NULL)
		memcpy(cents, point, strlen(point));
	if (digits == 3)
		cents[2] = '0';
	/* a currency without cents shows them only where the shop wrote some */
	if (point == NULL || (digits == 0 && strcmp(cents, "00") == 0))
		snprintf(out, out_len, "%s%s%s", sign != NULL ? sign : currency, sign != NULL ? "" : " ", plain);
	else
		snprintf(out, out_len, "%s%s%s.%s", sign != NULL ? sign : currency, sign != NULL ? "" : " ", plain,
			cents);
}

void reply_count_text(char *out, size_t out_len, long long count)
{
	char digits[24], grouped[32];
	int n = snprintf(digits, sizeof(digits), "%lld", count < 0 ? 0 : count);

	group(grouped, digits, (size_t)n);
	snprintf(out, out_len, "%s", grouped);
}
