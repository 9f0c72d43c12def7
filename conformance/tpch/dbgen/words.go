package dbgen

import (
	"strconv"
	"strings"
)

// words is a list of which one is drawn, each as often as its weight says.
type words struct {
	list []string
	by   []uint8 // for each number that may be drawn, from 1, a position in list
}

// newWords reads words with | between them; * and a weight may follow a word.
func newWords(text string) *words {
	w := &words{}
	for _, item := range strings.Split(text, "|") {
		weight := 1
		if word, n, ok := strings.Cut(item, "*"); ok {
			item = word
			weight, _ = strconv.Atoi(n)
		}
		for range weight {
			w.by = append(w.by, uint8(len(w.list)))
		}
		w.list = append(w.list, item)
	}
	return w
}

// combine returns the words that have one part of each list.
func combine(lists ...string) *words {
	all := []string{""}
	for i, list := range lists {
		var longer []string
		for _, head := range all {
			for _, part := range strings.Split(list, "|") {
				if i > 0 {
					part = head + " " + part
				}
				longer = append(longer, part)
			}
		}
		all = longer
	}
	return newWords(strings.Join(all, "|"))
}

func (w *words) pick(s *stream) string {
	return w.list[w.by[s.between(1, int64(len(w.by)))-1]]
}

// The word lists of the specification, clause 4.2.2.13, with the weights of its
// program.
var (
	priorities   = newWords("1-URGENT|2-HIGH|3-MEDIUM|4-NOT SPECIFIED|5-LOW")
	instructions = newWords("DELIVER IN PERSON|COLLECT COD|TAKE BACK RETURN|NONE")
	modes        = newWords("REG AIR|AIR|RAIL|TRUCK|MAIL|FOB|SHIP")
	returns      = newWords("R|A")
	segments     = newWords("AUTOMOBILE|BUILDING|FURNITURE|HOUSEHOLD|MACHINERY")
	containers   = combine("SM|LG|MED|JUMBO|WRAP", "CASE|BOX|BAG|JAR|PACK|PKG|CAN|DRUM")
	partTypes    = combine("STANDARD|SMALL|MEDIUM|LARGE|ECONOMY|PROMO",
		"ANODIZED|BURNISHED|PLATED|POLISHED|BRUSHED", "TIN|NICKEL|BRASS|STEEL|COPPER")
	colors = strings.Fields(`almond antique aquamarine azure beige bisque black blanched blue blush brown
		burlywood burnished chartreuse chiffon chocolate coral cornflower cornsilk cream cyan dark deep dim
		dodger drab firebrick floral forest frosted gainsboro ghost goldenrod green grey honeydew hot indian
		ivory khaki lace lavender lawn lemon light lime linen magenta maroon medium metallic midnight mint
		misty moccasin navajo navy olive orange orchid pale papaya peach peru pink plum powder puff purple
		red rose rosy royal saddle salmon sandy seashell sienna sky slate smoke snow spring steel tan thistle
		tomato turquoise violet wheat white yellow`)
	regions = []string{"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"}
	nations = []struct {
		name   string
		region int64
	}{
		{"ALGERIA", 0}, {"ARGENTINA", 1}, {"BRAZIL", 1}, {"CANADA", 1}, {"EGYPT", 4}, {"ETHIOPIA", 0},
		{"FRANCE", 3}, {"GERMANY", 3}, {"INDIA", 2}, {"INDONESIA", 2}, {"IRAN", 4}, {"IRAQ", 4},
		{"JAPAN", 2}, {"JORDAN", 4}, {"KENYA", 0}, {"MOROCCO", 0}, {"MOZAMBIQUE", 0}, {"PERU", 1},
		{"CHINA", 2}, {"ROMANIA", 3}, {"SAUDI ARABIA", 4}, {"VIETNAM", 2}, {"RUSSIA", 3},
		{"UNITED KINGDOM", 3}, {"UNITED STATES", 1},
	}
)
