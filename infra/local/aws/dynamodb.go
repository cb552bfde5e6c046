package aws

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
)

// attributes is an item or a key on the wire: {"pk": {"S": "..."}}.
type attributes map[string]map[string]any

// operand is what one action of DynamoDB works on; the members of all operations together.
type operand struct {
	TableName, IndexName      string
	Key, Item                 attributes
	KeyConditionExpression    string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues attributes
}

// describeDynamoDB reads which tables and partition keys a call touches, and asks the engine to tell what it cost.
func (s *Server) describeDynamoDB(operation string, body []byte) request {
	r := request{body: body}
	var in struct {
		operand
		TransactItems []map[string]operand // by Put, Update, Delete, ConditionCheck or Get
		RequestItems  map[string]json.RawMessage
		StreamArn     string
		ResourceArn   string
	}
	if json.Unmarshal(body, &in) != nil {
		return r
	}
	switch operation {
	case "TransactWriteItems", "TransactGetItems":
		r.items = len(in.TransactItems)
		for _, item := range in.TransactItems {
			for kind, o := range item {
				action := kind + "Item" // each takes the right to its own single form
				r.needs = append(r.needs, s.on(action, o, s.keyOf(o)...))
			}
		}
		r.body = priced(body)
	case "BatchGetItem", "BatchWriteItem":
		for table, raw := range in.RequestItems {
			o := operand{TableName: table}
			r.needs = append(r.needs, s.on(operation, o, s.batched(table, raw)...))
		}
		r.body = priced(body)
	case "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Scan":
		r.needs = []need{s.on(operation, in.operand, s.keyOf(in.operand)...)}
		r.body = priced(body)
	case "Query":
		r.needs = []need{s.on(operation, in.operand, s.queried(in.operand)...)}
		r.body = priced(body)
	default:
		resource := in.StreamArn + in.ResourceArn
		if in.TableName != "" {
			resource = s.arn("dynamodb", "table/"+in.TableName)
		}
		if resource == "" {
			resource = "*"
		}
		r.needs = []need{{action: "dynamodb:" + operation, resource: resource}}
	}
	touched := map[string]bool{}
	for _, item := range in.TransactItems {
		for _, o := range item {
			touched[o.TableName] = true
		}
	}
	for table := range in.RequestItems {
		touched[table] = true
	}
	if in.TableName != "" {
		touched[in.TableName] = true
	}
	r.tables = slices.Sorted(maps.Keys(touched))
	r.reads = slices.Contains([]string{"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"}, operation)
	return r
}

// on is the right to do an action to a table, or to its index.
func (s *Server) on(action string, o operand, leading ...string) need {
	resource := "table/" + o.TableName
	if o.IndexName != "" {
		resource += "/index/" + o.IndexName
	}
	n := need{action: "dynamodb:" + action, resource: s.arn("dynamodb", resource), context: map[string][]string{}}
	if leading != nil {
		n.context["dynamodb:leadingkeys"] = leading
	}
	return n
}

// partition names the partition key of a table or of its index. Every table of the template is known; "pk" is for others.
func (s *Server) partition(table, index string) string {
	if s.opts.Template == nil {
		return "pk"
	}
	for _, t := range s.opts.Template.Tables {
		if t.Name != table {
			continue
		}
		keys := t.Keys
		for _, x := range t.Indexes {
			if x.Name == index {
				keys = x.Keys
			}
		}
		for _, k := range keys {
			if k.Type == "HASH" {
				return k.Name
			}
		}
	}
	return "pk"
}

func (s *Server) keyOf(o operand) []string {
	name := s.partition(o.TableName, "")
	for _, item := range []attributes{o.Key, o.Item} {
		if v, ok := scalar(item[name]); ok {
			return []string{v}
		}
	}
	return nil
}

// batched lists the partition keys of one table's part of a batch, whether it reads or writes.
func (s *Server) batched(table string, raw json.RawMessage) []string {
	name := s.partition(table, "")
	var all []string
	add := func(item attributes) {
		if v, ok := scalar(item[name]); ok {
			all = append(all, v)
		}
	}
	var get struct{ Keys []attributes }
	if json.Unmarshal(raw, &get) == nil {
		for _, key := range get.Keys {
			add(key)
		}
	}
	var write []struct {
		PutRequest    struct{ Item attributes }
		DeleteRequest struct{ Key attributes }
	}
	if json.Unmarshal(raw, &write) == nil {
		for _, w := range write {
			add(w.PutRequest.Item)
			add(w.DeleteRequest.Key)
		}
	}
	return all
}

// equality is the part of a key condition that names one partition: the partition key takes no other operator.
var equality = regexp.MustCompile(`([#A-Za-z0-9_.-]+)\s*=\s*(:[A-Za-z0-9_]+)`)

func (s *Server) queried(o operand) []string {
	name := s.partition(o.TableName, o.IndexName)
	for _, part := range equality.FindAllStringSubmatch(o.KeyConditionExpression, -1) {
		attribute := part[1]
		if real, ok := o.ExpressionAttributeNames[attribute]; ok {
			attribute = real
		}
		if v, ok := scalar(o.ExpressionAttributeValues[part[2]]); ok && attribute == name {
			return []string{v}
		}
	}
	return nil
}

// scalar reads {"S": "text"}; a number and a blob are text on the wire too.
func scalar(v map[string]any) (string, bool) {
	for _, kind := range []string{"S", "N", "B"} {
		if text, ok := v[kind].(string); ok {
			return text, true
		}
	}
	return "", false
}

// priced adds ReturnConsumedCapacity, unless the caller asked for it itself.
func priced(body []byte) []byte {
	const member = `"ReturnConsumedCapacity"`
	rest := bytes.TrimLeft(body, " \t\r\n")
	if bytes.Contains(body, []byte(member)) || len(rest) < 2 || rest[0] != '{' {
		return body
	}
	comma := ","
	if bytes.HasPrefix(bytes.TrimLeft(rest[1:], " \t\r\n"), []byte("}")) {
		comma = ""
	}
	return slices.Concat([]byte("{"+member+`:"TOTAL"`+comma), rest[1:])
}

// capacity reads what a call cost off the engine's answer: one table's, or a list of them.
func (r request) capacity(body []byte) (read, written float64) {
	if r.tables == nil {
		return 0, 0
	}
	var out struct{ ConsumedCapacity json.RawMessage }
	if json.Unmarshal(body, &out) != nil || out.ConsumedCapacity == nil {
		return 0, 0
	}
	type units struct{ CapacityUnits float64 }
	var list []units
	if json.Unmarshal(out.ConsumedCapacity, &list) != nil {
		var one units
		_ = json.Unmarshal(out.ConsumedCapacity, &one)
		list = []units{one}
	}
	total := 0.0
	for _, u := range list {
		total += u.CapacityUnits
	}
	if r.reads {
		return total, 0
	}
	return 0, total
}
