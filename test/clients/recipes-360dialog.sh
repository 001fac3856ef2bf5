#!/bin/sh
# 360dialog's documentation as curl commands: the key alone says whose number it is, so that no path names one. A file is
# downloaded as 360dialog says: path and query of its url at the address of the API. From the environment: D360_API_KEY, and
# what recipes-common.sh names. Prints what it did.
. "$(dirname "$0")/recipes-common.sh"
: "${D360_API_KEY:?}"
messages=$BASE_URL/messages
printf 'D360-API-KEY: %s\n' "$D360_API_KEY" >"$work/auth"

message "a text" '"type": "text", "text": {"body": "Hello from curl"}'
message "a reply" "\"context\": {\"message_id\": \"$MESSAGE_ID\"}, \"type\": \"text\", \"text\": {\"body\": \"A reply\"}"
message "a template" '"type": "template", "template": {"name": "hello_world", "language": {"policy": "deterministic", "code": "en_US"}}'
post 200 "$messages" "{\"messaging_product\": \"whatsapp\", \"status\": \"read\", \"message_id\": \"$MESSAGE_ID\"}"
ok "marked as read" '"success": *true'

head -c 3000000 /dev/urandom >"$work/file.pdf"
call 200 -F messaging_product=whatsapp -F "file=@$work/file.pdf;type=application/pdf" "$BASE_URL/media"
ok "uploaded a file" '"id": *"[0-9]+"'
file=$(value id)
message "a document" "\"type\": \"document\", \"document\": {\"id\": \"$file\", \"filename\": \"file.pdf\"}"
call 200 "$BASE_URL/$file"
ok "the file is described" "\"sha256\": *\"$(sha256sum <"$work/file.pdf" | cut -d ' ' -f 1)\""
url=$(value url)
rest=${url#*://}
call 200 "$BASE_URL/${rest#*/}"
downloaded "$work/file.pdf"
call 200 -X DELETE "$BASE_URL/$file"
ok "deleted the file" '"success": *true'

name=curl360_$$
post 201 "$BASE_URL/v1/configs/templates" "{\"name\": \"$name\", \"language\": \"en_US\", \"category\": \"UTILITY\",
	\"components\": [{\"type\": \"BODY\", \"text\": \"Hello\"}]}"
ok "made a template" '"status": *"submitted"'
call 200 "$BASE_URL/v1/configs/templates"
ok "it is in 360dialog's list" "\"name\": *\"$name\""
call 200 "$BASE_URL/message_templates?limit=100"
ok "and in Meta's" "\"name\": *\"$name\""
call 200 -X DELETE "$BASE_URL/v1/configs/templates/$name"
echo "ok: deleted the template"

call 200 -d messaging_product=whatsapp -d 'about=From curl' "$BASE_URL/whatsapp_business_profile"
ok "told what the shop is, as a form" '"success": *true'
call 200 "$BASE_URL/whatsapp_business_profile?fields=about"
ok "it says so" '"about": *"From curl"'
call 200 "$BASE_URL/health_status?fields=display_phone_number"
ok "the number says how it is" '"can_send_message": *"AVAILABLE"'

text="{$to, \"type\": \"text\", \"text\": {\"body\": \"fail with 131056\"}}"
post 400 "$messages" "$text"
ok "a refusal of Meta's comes as it is" '"code": *131056'
text="{$to, \"type\": \"text\", \"text\": {\"body\": \"Who am I\"}}"
anyone 401 -H 'D360-API-KEY: notMyKey' -H 'Content-Type: application/json' -d "$text" "$messages"
ok "a wrong key is one" '"meta"|"error"'
