#!/bin/sh
# Meta's documentation as curl commands: messages, media, templates, a number and its profile. The environment says where to
# and as whom, as in common.mjs, and ANSWERS as in recipes-common.sh. Prints what it did.
. "$(dirname "$0")/recipes-common.sh"
: "${API_VERSION:?}" "${TOKEN:?}" "${PHONE_NUMBER_ID:?}" "${WABA_ID:?}"
api=$BASE_URL/$API_VERSION
messages=$api/$PHONE_NUMBER_ID/messages
printf 'Authorization: Bearer %s\n' "$TOKEN" >"$work/auth"

# here WHAT URL
here() {
	case $2 in
	"$BASE_URL"/*) ;;
	*) fail "$1 is an address at $BASE_URL" ;;
	esac
}

message "a text" '"type": "text", "text": {"preview_url": false, "body": "Hello from curl"}'
message "a reply" "\"context\": {\"message_id\": \"$MESSAGE_ID\"}, \"type\": \"text\", \"text\": {\"body\": \"A reply\"}"
message "a reaction" "\"type\": \"reaction\", \"reaction\": {\"message_id\": \"$MESSAGE_ID\", \"emoji\": \"\\uD83D\\uDE00\"}"
message "a template" '"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"},
	"components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]}'
message "an image by a link" '"type": "image", "image": {"link": "https://example.com/picture.png", "caption": "By link"}'
message "a location" '"type": "location", "location": {"latitude": "6.5", "longitude": "3.4", "name": "Lagos"}'
post 200 "$messages" "{\"messaging_product\": \"whatsapp\", \"status\": \"read\", \"message_id\": \"$MESSAGE_ID\",
	\"typing_indicator\": {\"type\": \"text\"}}"
ok "marked as read, typing" '"success": *true'

# a picture, and a file of 9 MB
printf '\211PNG\r\n\032\n' >"$work/picture.png"
head -c 4000 /dev/urandom >>"$work/picture.png"
head -c 9000000 /dev/urandom >"$work/file.pdf"
call 200 -F messaging_product=whatsapp -F type=image/png -F "file=@$work/picture.png;type=image/png" "$api/$PHONE_NUMBER_ID/media"
ok "uploaded a picture" '"id": *"[0-9]+"'
message "an image by its id" "\"type\": \"image\", \"image\": {\"id\": \"$(value id)\"}"
call 200 -F messaging_product=whatsapp -F "file=@$work/file.pdf;type=application/pdf" "$api/$PHONE_NUMBER_ID/media"
ok "uploaded a file" '"id": *"[0-9]+"'
file=$(value id)
call 200 "$api/$file?phone_number_id=$PHONE_NUMBER_ID"
ok "the file is described" "\"sha256\": *\"$(sha256sum <"$work/file.pdf" | cut -d ' ' -f 1)\""
ok "its size is right" '"file_size": *9000000'
url=$(value url)
here "the file's url" "$url"
call 200 "$url"
downloaded "$work/file.pdf"
call 200 -X DELETE "$api/$file"
ok "deleted the file" '"success": *true'
call 400 "$api/$file"
ok "it is gone" '"code": *100'

# templates: one more, the whole list by paging.next, and it is deleted
name=curl_$$
post 200 "$api/$WABA_ID/message_templates" "{\"name\": \"$name\", \"language\": \"en_US\", \"category\": \"UTILITY\",
	\"components\": [{\"type\": \"BODY\", \"text\": \"Hello\"}]}"
ok "made a template" '"status": *"PENDING"'
pages=0
next="$api/$WABA_ID/message_templates?fields=name,status&limit=2"
: >"$work/names"
while [ -n "$next" ]; do
	here paging.next "$next"
	call 200 "$next"
	pages=$((pages + 1))
	grep -o '"name": *"[^"]*"' "$answer" >>"$work/names"
	next=$(value next)
done
answer=$work/names
ok "it is in the list, of which $pages pages were walked" "\"$name\""
{ [ "$pages" -gt 2 ] && [ -z "$(sort "$work/names" | uniq -d)" ]; } || fail "each template comes once"
call 200 -X DELETE "$api/$WABA_ID/message_templates?name=$name"
ok "deleted the template" '"success": *true'

call 200 "$api/$PHONE_NUMBER_ID?fields=verified_name,quality_rating,code_verification_status"
ok "the number says how it is" '"quality_rating": *"GREEN"'
call 200 "$api/$WABA_ID/phone_numbers"
ok "the account has the number" "\"id\": *\"$PHONE_NUMBER_ID\""
post 200 "$api/$PHONE_NUMBER_ID/whatsapp_business_profile" \
	'{"messaging_product": "whatsapp", "about": "From curl", "websites": ["https://example.com/"]}'
ok "told what the shop is" '"success": *true'
call 200 "$api/$PHONE_NUMBER_ID/whatsapp_business_profile?fields=about,websites"
ok "it says so" '"about": *"From curl"'
anyone 200 "$api/$PHONE_NUMBER_ID?fields=verified_name&access_token=$TOKEN"
ok "a token in the query" "\"id\": *\"$PHONE_NUMBER_ID\""

# refusals
text="{$to, \"type\": \"text\", \"text\": {\"body\": \"fail with 131056\"}}"
post 400 "$messages" "$text"
ok "a refusal of Meta's comes as it is" '"code": *131056'
text="{$to, \"type\": \"text\", \"text\": {\"body\": \"Who am I\"}}"
post 400 "$api/999999999999999/messages" "$text"
ok "another's number is none" '"error_subcode": *33'
post 400 "$messages" '{"messaging_product": "whatsapp", "to"'
ok "what is no JSON is refused" '"code": *100'
anyone 401 -H 'Authorization: Bearer EAAGnotMyToken' -H 'Content-Type: application/json' -d "$text" "$messages"
ok "a wrong token is one" '"code": *190'
anyone 401 -H 'Content-Type: application/json' -d "$text" "$messages"
ok "no token is none" '"code": *190'
