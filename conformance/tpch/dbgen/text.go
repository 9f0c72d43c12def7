package dbgen

// The grammar of the comments, clause 4.2.2.14: sentences of noun phrases (N),
// verb phrases (V), prepositions (P) and a terminator (T), and those of nouns,
// adjectives (J), adverbs (D), verbs and auxiliaries (X).
var (
	sentences   = newWords("N V T*3|N V P T*3|N V N T*3|N P V N T|N P V P T")
	nounPhrases = newWords("N*10|J N*20|J, J N*10|D J N*50")
	verbPhrases = newWords("V*30|X V|V D*40|X V D")

	nouns = newWords("packages*40|requests*40|accounts*40|deposits*40|foxes*20|ideas*20|theodolites*20|" +
		"pinto beans*20|instructions*20|dependencies*10|excuses*10|platelets*10|asymptotes*10|courts*5|" +
		"dolphins*5|multipliers|sauternes|warthogs|frets|dinos|attainments|somas|Tiresias|patterns|forges|" +
		"braids|frays|warhorses|dugouts|notornis|epitaphs|pearls|tithes|waters|orbits|gifts|sheaves|depths|" +
		"sentiments|decoys|realms|pains|grouches|escapades|hockey players")
	verbs = newWords("sleep*20|wake*20|are*20|cajole*20|haggle*20|nag*10|use*10|boost*10|affix*5|detect*5|" +
		"integrate*5|maintain|nod|was|lose|sublate|solve|thrash|promise|engage|hinder|print|x-ray|breach|eat|" +
		"grow|impress|mold|poach|serve|run|dazzle|snooze|doze|unwind|kindle|play|hang|believe|doubt")
	adjectives = newWords("special*20|pending*20|unusual*20|express*20|furious|sly|careful|blithe|quick|fluffy|" +
		"slow|quiet|ruthless|thin|close|dogged|daring|brave|stealthy|permanent|enticing|idle|busy|regular*50|" +
		"final*40|ironic*40|even*30|bold*20|silent*10")
	adverbs = newWords("sometimes|always|never|furiously*50|slyly*50|carefully*50|blithely*40|quickly*30|" +
		"fluffily*20|slowly|quietly|ruthlessly|thinly|closely|doggedly|daringly|bravely|stealthily|" +
		"permanently|enticingly|idly|busily|regularly|finally|ironically|evenly|boldly|silently")
	prepositions = newWords("about*50|above*50|according to*50|across*50|after*50|against*40|along*40|" +
		"alongside of*30|among*30|around*20|at*10|atop|before|behind|beneath|beside|besides|between|beyond|by|" +
		"despite|during|except|for|from|in place of|inside|instead of|into|near|of|on|outside|over|past|since|" +
		"through|throughout|to|toward|under|until|up|upon|whithout|with|within")
	auxiliaries = newWords("do|may|might|shall|will|would|can|could|should|ought to|must|will have to|" +
		"shall have to|could have to|should have to|must have to|need to|try to")
	terminators = newWords(".*50|;|:|?|!|--")

	parts = map[byte]*words{'J': adjectives, 'D': adverbs, 'N': nouns, 'V': verbs, 'X': auxiliaries}
)

// pool is the text that comments are cut out of.
type pool []byte

// newPool returns the first bytes of the text.
func newPool(size int) pool {
	s := &stream{seed: 933588178}
	text := make([]byte, 0, size+1024)
	for len(text) < size {
		text = append(appendSentence(text, s), ' ')
	}
	return text[:size]
}

func appendSentence(dst []byte, s *stream) []byte {
	syntax := sentences.pick(s)
	for i := 0; i < len(syntax); i += 2 {
		switch syntax[i] {
		case 'N':
			dst = appendPhrase(dst, nounPhrases, s)
		case 'V':
			dst = appendPhrase(dst, verbPhrases, s)
		case 'P':
			dst = append(append(dst, prepositions.pick(s)...), " the "...)
			dst = appendPhrase(dst, nounPhrases, s)
		case 'T':
			dst = append(dst[:len(dst)-1], terminators.pick(s)...)
		}
	}
	return dst
}

func appendPhrase(dst []byte, kinds *words, s *stream) []byte {
	syntax := kinds.pick(s)
	for i := 0; i < len(syntax); i++ {
		switch c := syntax[i]; c {
		case ',':
			dst = append(dst, c)
		case ' ':
			dst = append(dst, c)
		default:
			dst = append(dst, parts[c].pick(s)...)
		}
	}
	return append(dst, ' ')
}

// comment returns a piece of the pool of 0.4 to 1.6 times an average length.
func (p pool) comment(s *stream, average int64) string {
	shortest, longest := average*4/10, average*16/10
	at := s.between(0, int64(len(p))-longest)
	n := s.between(shortest, longest)
	return string(p[at : at+n])
}
