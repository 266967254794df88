"""Every seam to Faust and to aiokafka's private names: nothing else of the project imports Faust."""
